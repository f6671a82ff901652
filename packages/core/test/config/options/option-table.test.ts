import { daemonOptionTable } from '@tartan/core';

// flannel-compat 6.1.
const ORIGINAL: readonly [name: string, type: string, defaultText: string][] = [
  ['etcd-endpoints', 'list', 'http://127.0.0.1:4001,http://127.0.0.1:2379'],
  ['etcd-prefix', 'string', '/coreos.com/network'],
  ['etcd-keyfile', 'string', ''],
  ['etcd-certfile', 'string', ''],
  ['etcd-cafile', 'string', ''],
  ['etcd-username', 'string', ''],
  ['etcd-password', 'string', ''],
  ['iface', 'list', ''],
  ['iface-regex', 'list', ''],
  ['iface-can-reach', 'string', ''],
  ['subnet-file', 'string', '/run/flannel/subnet.env'],
  ['public-ip', 'string', ''],
  ['public-ipv6', 'string', ''],
  ['subnet-lease-renew-margin', 'integer', '60'],
  ['ip-masq', 'boolean', 'false'],
  ['ip-masq-fully-random-disable', 'boolean', 'false'],
  ['kube-subnet-mgr', 'boolean', 'false'],
  ['kube-api-url', 'string', ''],
  ['kubeconfig-file', 'string', ''],
  ['kube-annotation-prefix', 'string', 'flannel.alpha.coreos.com'],
  ['net-config-path', 'string', '/etc/kube-flannel/net-conf.json'],
  ['set-node-network-unavailable', 'boolean', 'true'],
  ['healthz-ip', 'string', '0.0.0.0'],
  ['healthz-port', 'integer', '0'],
  ['iptables-resync', 'integer', '5'],
  ['iptables-forward-rules', 'boolean', 'true'],
  ['ip-blackhole-route', 'boolean', 'false'],
  ['version', 'boolean', 'false'],
  ['v', 'integer', '0'],
  ['vmodule', 'string', ''],
  ['log_backtrace_at', 'string', ''],
];

describe('the table', () => {
  it.each(ORIGINAL)('has --%s of the original as %s with default "%s"', (name, type, defaultText) => {
    const definition = daemonOptionTable[name as keyof typeof daemonOptionTable];
    expect(definition.origin).toBe('flannel');
    expect(definition.type).toBe(type);
    expect((definition.format as (value: unknown) => string)(definition.default)).toBe(defaultText);
  });

  it('claims no other option for the original', () => {
    const claimed = Object.entries(daemonOptionTable).filter(([, { origin }]) => origin === 'flannel');
    expect(claimed.map(([name]) => name).sort()).toEqual(ORIGINAL.map(([name]) => name).sort());
  });

  it.each(Object.entries(daemonOptionTable))('reads the default of --%s back', (_, definition) => {
    const { parse: read, format } = definition as { parse(text: string): unknown; format(value: unknown): string };
    const text = format(definition.default);
    if (text !== '') expect(read(text)).toEqual(definition.default);
  });

  it('explains every option in sentences', () => {
    for (const { help } of Object.values(daemonOptionTable)) expect(help).toMatch(/^[A-Z].*\.$/);
  });
});
