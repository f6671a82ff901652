import type { KernelOp } from '@tartan/core';
import { deleteAddress, replaceAddress } from './fake-address-ops';
import { setFeatures } from './fake-feature-ops';
import { changeLink, createLink, deleteLink } from './fake-link-ops';
import { deleteFdb, deleteNeighbour, probeNeighbour, replaceFdb, replaceNeighbour } from './fake-neighbour-ops';
import { addRoute, deleteRoute, replaceRoute } from './fake-route-ops';
import type { FakeTables } from './fake-tables';

/** Carries out one op on the tables. Throws Refusal. */
export function applyToTables(tables: FakeTables, op: KernelOp): void {
  switch (op.op) {
    case 'link-create':
      createLink(tables, op.link);
      return;
    case 'link-change':
      changeLink(tables, op.ifindex, op.change);
      return;
    case 'link-delete':
      deleteLink(tables, op.ifindex);
      return;
    case 'link-features':
      setFeatures(tables, op.ifindex, op.features);
      return;
    case 'address-replace':
      replaceAddress(tables, op.address);
      return;
    case 'address-delete':
      deleteAddress(tables, op.address);
      return;
    case 'route-add':
      addRoute(tables, op.route);
      return;
    case 'route-replace':
      replaceRoute(tables, op.route);
      return;
    case 'route-delete':
      deleteRoute(tables, op.route);
      return;
    case 'neighbour-replace':
      replaceNeighbour(tables, op.neighbour);
      return;
    case 'neighbour-delete':
      deleteNeighbour(tables, op.neighbour);
      return;
    case 'neighbour-probe':
      probeNeighbour(tables, op.neighbour);
      return;
    case 'fdb-replace':
      replaceFdb(tables, op.fdb);
      return;
    case 'fdb-delete':
      deleteFdb(tables, op.fdb);
      return;
  }
}
