import type { InterfaceAddressSpec, KernelOp, RouteSpec } from '@tartan/core';

/** An op as an operator would write it, for error messages: `route-add 10.5.1.0/24 via 192.168.0.2 dev 3`. */
export function describeOp(op: KernelOp): string {
  return `${op.op} ${subject(op)}`;
}

function subject(op: KernelOp): string {
  switch (op.op) {
    case 'link-create':
      return `${op.link.name} type ${op.link.kind}`;
    case 'link-change':
    case 'link-delete':
      return `dev ${op.ifindex}`;
    case 'link-features':
      return `dev ${op.ifindex} ${Object.entries(op.features)
        .map(([name, on]) => `${name} ${on ? 'on' : 'off'}`)
        .join(' ')}`;
    case 'address-replace':
    case 'address-delete':
      return describeAddress(op.address);
    case 'route-add':
    case 'route-replace':
    case 'route-delete':
      return describeRoute(op.route);
    case 'neighbour-replace':
    case 'neighbour-delete':
    case 'neighbour-probe':
      return `${op.neighbour.address.toString()} dev ${op.neighbour.ifindex}`;
    case 'fdb-replace':
    case 'fdb-delete':
      return `${op.fdb.mac.toString()}${op.fdb.dst ? ` dst ${op.fdb.dst.toString()}` : ''} dev ${op.fdb.ifindex}`;
  }
}

function describeAddress(address: InterfaceAddressSpec): string {
  return `${address.address.toString()}/${address.prefixLength} dev ${address.ifindex}`;
}

function describeRoute(route: RouteSpec): string {
  const type = route.type === undefined || route.type === 'unicast' ? '' : `${route.type} `;
  const via = route.gateway ? ` via ${route.gateway.toString()}` : '';
  const device = route.oif === undefined ? '' : ` dev ${route.oif}`;
  const metric = route.metric ? ` metric ${route.metric}` : '';
  return `${type}${route.dst.toString()}${via}${device}${metric}`;
}
