import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type ApiObject, type PodSpec, problemsOf, readObjects } from './support/api-objects';
import { renderChart, root } from './support/render-chart';

/* The manifest and the chart: valid by the API's types, the same thing twice, and as little privilege as the daemon can do with. */

const manifest = readObjects(readFileSync(join(root, 'deploy/kubernetes/tartan.yaml'), 'utf8'));

function the(objects: readonly ApiObject[], kind: string): ApiObject {
  const found = objects.filter((object) => object.kind === kind);
  expect(found).toHaveLength(1);
  return found[0] as ApiObject;
}

function podSpec(objects: readonly ApiObject[]): PodSpec {
  return the(objects, 'DaemonSet').spec.template.spec;
}

function netConf(objects: readonly ApiObject[]): unknown {
  return dataOf(objects, 'net-conf.json');
}

/** A JSON text in the config map. */
function dataOf(objects: readonly ApiObject[], key: string): unknown {
  return JSON.parse(the(objects, 'ConfigMap').data[key] ?? '');
}

test('the checker of API types finds what is wrong', () => {
  const object = structuredClone(the(manifest, 'DaemonSet'));
  const { spec } = object.spec.template;
  Object.assign(spec, { hostNetwrok: true, hostNetwork: 'yes' });
  Object.assign(spec.containers[0] ?? {}, { args: 'text' });
  expect(problemsOf([object]).sort()).toEqual([
    'DaemonSet.spec.template.spec.containers[0].args: not a list',
    'DaemonSet.spec.template.spec.hostNetwork: not a boolean',
    'DaemonSet.spec.template.spec.hostNetwrok: unknown member',
  ]);
});

describe('the manifest', () => {
  test('holds what is needed, and every object is valid', () => {
    expect(manifest.map((object) => object.kind)).toEqual([
      'Namespace',
      'ServiceAccount',
      'ClusterRole',
      'ClusterRoleBinding',
      'ConfigMap',
      'DaemonSet',
    ]);
    expect(problemsOf(manifest)).toEqual([]);
    const conflist = readFileSync(join(root, 'deploy/cni/10-tartan.conflist'), 'utf8');
    expect(dataOf(manifest, 'cni-conf.json')).toEqual(JSON.parse(conflist));
    expect(netConf(manifest)).toEqual({ Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } });
  });

  test('kustomize builds the same objects', () => {
    const built = spawnSync('kubectl', ['kustomize', join(root, 'deploy/kubernetes')], { encoding: 'utf8' });
    expect(built.stderr).toBe('');
    const byKind = (a: ApiObject, b: ApiObject): number => (a.kind < b.kind ? -1 : 1);
    const objects = readObjects(built.stdout);
    expect(objects.sort(byKind)).toEqual([...manifest].sort(byKind));
  });

  test('the overlay for a migration differs by its node selector, and by nothing else', () => {
    const built = spawnSync('kubectl', ['kustomize', join(root, 'deploy/kubernetes-migrate')], { encoding: 'utf8' });
    const { nodeSelector, ...rest } = podSpec(readObjects(built.stdout));
    expect(nodeSelector).toEqual({ 'network-daemon': 'tartan' });
    expect(rest).toEqual(podSpec(manifest));
  });

  test('selector, binding and volumes fit together', () => {
    const daemonSet = the(manifest, 'DaemonSet');
    expect(daemonSet.spec.template.metadata.labels).toMatchObject(daemonSet.spec.selector.matchLabels);
    const spec = podSpec(manifest);
    const volumes = spec.volumes.map((volume) => volume.name).sort();
    const mounts = [...spec.initContainers, ...spec.containers].flatMap((container) =>
      container.volumeMounts.map((mount) => mount.name),
    );
    expect([...new Set(mounts)].sort()).toEqual(volumes);
    expect(the(manifest, 'ClusterRoleBinding').subjects[0]).toEqual({
      kind: 'ServiceAccount',
      name: the(manifest, 'ServiceAccount').metadata.name,
      namespace: the(manifest, 'ServiceAccount').metadata.namespace,
    });
    expect(spec.serviceAccountName).toBe('tartan');
  });

  test('least privilege', () => {
    const spec = podSpec(manifest);
    const [daemon] = spec.containers;
    expect(daemon?.securityContext).toEqual({
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
    });
    expect(spec.initContainers[0]?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(spec.securityContext).toEqual({ seccompProfile: { type: 'RuntimeDefault' } });
    expect(spec.hostPID).toBeUndefined();
    const rules = the(manifest, 'ClusterRole').rules.flatMap((rule) =>
      rule.resources.flatMap((resource) => rule.verbs.map((verb) => `${verb} ${resource}`)),
    );
    expect(rules).toEqual(['get nodes', 'list nodes', 'watch nodes', 'patch nodes/status', 'create events']);
  });
});

test.each([
  ['no lease is assigned to this node', 'core/src/lease/acquisition.ts'],
  ['is assigned to this node, needed is one subnet inside of each of', 'core/src/lease/acquire-plan.ts'],
  ['failed to find plugin', 'cni/native/src/delegate.cc'],
  ['--withdraw-node-network', 'core/src/config/options/table/kubernetes-options.ts'],
])('the troubleshooting table quotes what is really said: %s', (message, source) => {
  for (const file of ['docs/kubernetes.md', join('packages', source)]) {
    expect([file, readFileSync(join(root, file), 'utf8')]).toEqual([
      file,
      expect.stringContaining(message.replace(/^--/, '')),
    ]);
  }
});

test('the pod that cleans a node is valid, sees the places of the manifest, and has no more rights', () => {
  const text = readFileSync(join(root, 'deploy/kubernetes-remove/clean-up.yaml'), 'utf8');
  const [pod] = readObjects(text.replaceAll('NODE', 'node-1').replaceAll('IMAGE', 'tartan:0.1.0'));
  expect(problemsOf([pod as object])).toEqual([]);
  const spec = pod?.spec as unknown as PodSpec;
  const { volumes, initContainers, containers, securityContext } = podSpec(manifest);
  expect(volumes).toEqual(expect.arrayContaining(spec.volumes));
  expect(spec.securityContext).toEqual(securityContext);
  expect(spec.initContainers[0]?.securityContext).toEqual(initContainers[0]?.securityContext);
  expect(containers[0]?.securityContext).toMatchObject(spec.containers[0]?.securityContext ?? {});
});

describe('the chart', () => {
  /** Labels and the checksum are Helm's own; everything else must be the manifest's. */
  function comparable(spec: PodSpec): PodSpec {
    const copy = structuredClone(spec);
    for (const container of [...copy.initContainers, ...copy.containers]) {
      delete container.imagePullPolicy;
      container.args.sort();
      container.volumeMounts.sort((a, b) => (a.name < b.name ? -1 : 1));
    }
    copy.tolerations.sort((a, b) => (a.effect < b.effect ? -1 : 1));
    return copy;
  }

  test('by default renders what the manifest holds', () => {
    const { objects, error } = renderChart();
    expect(error).toBe('');
    expect(problemsOf(objects)).toEqual([]);
    expect(comparable(podSpec(objects))).toEqual(comparable(podSpec(manifest)));
    expect(the(objects, 'DaemonSet').spec.updateStrategy).toEqual(the(manifest, 'DaemonSet').spec.updateStrategy);
    expect(the(objects, 'ClusterRole').rules).toEqual(the(manifest, 'ClusterRole').rules);
    expect(netConf(objects)).toEqual(netConf(manifest));
    expect(dataOf(objects, 'cni-conf.json')).toEqual(dataOf(manifest, 'cni-conf.json'));
  });

  test('values written for the chart of flannel mean the same here', () => {
    const { objects, error } = renderChart({
      podCidr: '10.42.0.0/16',
      podCidrv6: 'fd00:42::/48',
      global: { imagePullSecrets: [{ name: 'a-secret' }] },
      flannel: {
        image: { repository: 'ghcr.io/flannel-io/flannel', tag: 'v0.28.9' },
        flannel_cni: { image: { repository: 'ghcr.io/flannel-io/flannel-cni-plugin', tag: 'v1.9.1-flannel2' } },
        cniBinDir: '/usr/libexec/cni',
        cniConfDir: '/etc/cni/other.d',
        enableNFTables: true,
        args: ['--ip-masq', '--kube-subnet-mgr', '--iface=eth1'],
        backend: 'vxlan',
        backendPort: 4789,
        mtu: 1400,
        vni: 7,
        GBP: true,
        directRouting: true,
        macPrefix: '0E-2A',
        resources: { requests: { cpu: '1', memory: '1Gi' } },
        healthz: { port: 9999, livenessProbe: { periodSeconds: 5 } },
        tolerations: [{ key: 'only', operator: 'Exists' }],
        nodeSelector: { pool: 'a' },
        daemonSet: { labels: { one: 'x' }, annotations: { two: 'y' } },
        podLabels: { three: 'z' },
        podAnnotations: { four: 'w' },
      },
      netpol: { enabled: false },
    });
    expect(error).toBe('');
    expect(problemsOf(objects)).toEqual([]);
    expect(netConf(objects)).toEqual({
      Network: '10.42.0.0/16',
      IPv6Network: 'fd00:42::/48',
      EnableIPv6: true,
      EnableNFTables: true,
      Backend: { Type: 'vxlan', Port: 4789, MTU: 1400, VNI: 7, GBP: true, DirectRouting: true },
    });
    const spec = podSpec(objects);
    expect(spec.imagePullSecrets).toEqual([{ name: 'a-secret' }]);
    expect(spec.nodeSelector).toEqual({ pool: 'a' });
    expect(spec.tolerations).toEqual([{ key: 'only', operator: 'Exists' }]);
    expect(spec.containers[0]).toMatchObject({
      image: 'tartan:0.1.0',
      args: ['--ip-masq', '--kube-subnet-mgr', '--iface=eth1', '--healthz-port=9999', '--log-format=json'],
      ports: [{ containerPort: 9999 }],
      livenessProbe: { httpGet: { path: '/healthz', port: 'healthz' }, periodSeconds: 5 },
      resources: { requests: { cpu: '1', memory: '1Gi' } },
    });
    const host = (name: string): unknown => spec.volumes.find((volume) => volume.name === name)?.hostPath?.path;
    expect([host('cni-bin'), host('cni-conf')]).toEqual(['/usr/libexec/cni', '/etc/cni/other.d']);
    const { metadata } = the(objects, 'DaemonSet').spec.template;
    expect(metadata.labels).toMatchObject({ three: 'z' });
    expect(metadata.annotations).toMatchObject({ four: 'w' });
    expect(the(objects, 'DaemonSet').metadata).toMatchObject({ labels: { one: 'x' }, annotations: { two: 'y' } });
  });

  test('labels and annotations of every object, as in the chart of flannel: the nearest wins, the selector stays', () => {
    const own = (name: string) => ({
      labels: { shared: name, [name]: 'yes', 'app.kubernetes.io/name': name },
      annotations: { shared: name },
    });
    const { objects, error } = renderChart({
      global: {
        commonLabels: { shared: 'common', common: 'yes' },
        commonAnnotations: { shared: 'common', common: 'yes' },
      },
      flannel: {
        configMap: own('ConfigMap'),
        daemonSet: own('DaemonSet'),
        serviceAccount: own('ServiceAccount'),
        rbac: { ...own('rbac'), clusterRole: own('ClusterRole'), clusterRoleBinding: own('ClusterRoleBinding') },
        podLabels: { shared: 'pod' },
      },
    });
    expect(error).toBe('');
    for (const { kind, metadata } of objects) {
      const name = { 'app.kubernetes.io/name': 'tartan' };
      expect(metadata.labels).toMatchObject({ shared: kind, [kind]: 'yes', common: 'yes', ...name });
      expect(metadata.annotations).toMatchObject({ shared: kind, common: 'yes' });
    }
    expect(the(objects, 'ClusterRole').metadata.labels).toHaveProperty('rbac');
    const { selector, template } = the(objects, 'DaemonSet').spec;
    expect(template.metadata.labels).toMatchObject({ ...selector.matchLabels, shared: 'pod', common: 'yes' });
    expect(template.metadata.annotations).toHaveProperty('checksum/config');
  });

  test('numbers given as text, and members that are empty, as values files often have them', () => {
    const { objects, error } = renderChart({
      global: { imagePullSecrets: null, aParentsOwn: 1 },
      flannel: {
        mtu: '1400',
        backendPort: '',
        podLabels: null,
        image_cni: { tag: 'v1' },
        psk: 0,
        tunnelMode: 'separate',
      },
    });
    expect(error).toBe('');
    expect(netConf(objects)).toMatchObject({ Backend: { Type: 'vxlan', MTU: 1400 } });
    expect(netConf(objects)).not.toHaveProperty('Backend.Port');
  });

  test('IPv6 alone', () => {
    expect(netConf(renderChart({ podCidr: '', podCidrv6: 'fd00::/48' }).objects)).toEqual({
      EnableIPv4: false,
      IPv6Network: 'fd00::/48',
      EnableIPv6: true,
      Backend: { Type: 'vxlan' },
    });
  });

  test('udp gets what it needs to open a TUN device, and nobody else does', () => {
    const udp = podSpec(renderChart({ flannel: { backend: 'udp', backendPort: 8286, keepaliveInterval: 25 } }).objects);
    expect(udp.containers[0]?.securityContext).toEqual({ privileged: true });
    expect(udp.securityContext).toBeUndefined();
    const hostgw = renderChart({ flannel: { backend: 'host-gw', backendPort: 1, vni: 3 } }).objects;
    expect(netConf(hostgw)).toMatchObject({ Backend: { Type: 'host-gw' } });
    expect(netConf(hostgw)).not.toHaveProperty('Backend.Port');
    expect(podSpec(hostgw).containers[0]?.securityContext.privileged).toBe(false);
  });

  test('health port 0 takes port and probes away; the CNI configuration can be left to others', () => {
    const spec = podSpec(renderChart({ flannel: { healthz: { port: 0 }, skipCNIConfigInstallation: true } }).objects);
    expect(spec.containers[0]).not.toHaveProperty('ports');
    expect(spec.containers[0]).not.toHaveProperty('livenessProbe');
    expect(spec.containers[0]?.args.join(' ')).not.toContain('healthz');
    expect(spec.volumes.map((volume) => volume.name)).not.toContain('cni-conf');
    expect(spec.initContainers[0]?.args).toEqual(['install', '--bin-dir=/opt/cni/bin']);
  });

  test('another release name and namespace are used throughout', () => {
    const { objects } = renderChart({}, { release: 'net', namespace: 'kube-system' });
    expect(podSpec(objects).volumes[0]?.configMap?.name).toBe(the(objects, 'ConfigMap').metadata.name);
    expect(the(objects, 'ClusterRoleBinding').subjects[0]).toMatchObject({ name: 'net', namespace: 'kube-system' });
    expect(podSpec(objects).serviceAccountName).toBe('net');
  });

  test('monitoring is off unless asked for', () => {
    expect(renderChart().objects.map((object) => object.kind)).not.toContain('ServiceMonitor');
    const { objects } = renderChart({
      tartan: { serviceMonitor: { enabled: true, labels: { release: 'prom' } } },
    });
    const monitor = the(objects, 'ServiceMonitor');
    expect(monitor.metadata.labels).toMatchObject({ release: 'prom' });
    expect(monitor.spec.endpoints).toEqual([expect.objectContaining({ port: 'healthz', path: '/metrics' })]);
    const service = the(objects, 'Service');
    expect(problemsOf([service])).toEqual([]);
    expect(service.metadata.labels).toMatchObject(monitor.spec.selector.matchLabels);
  });

  test.each([
    [{ flannel: { backend: 'wireguard' } }, 'this version has vxlan, host-gw and udp'],
    [{ netpol: { enabled: true } }, 'no network policies'],
    [{ podCidr: '' }, 'podCidr and podCidrv6 are both empty'],
    [{ podCIDR: '10.1.0.0/16' }, 'Additional property podCIDR is not allowed'],
    [{ flannel: { directrouting: true } }, 'flannel: Additional property directrouting is not allowed'],
    [{ flannel: { healthz: { port: 'none' } } }, 'flannel.healthz.port: Does not match pattern'],
    [{ flannel: { args: '--ip-masq' } }, 'flannel.args: Invalid type'],
    [{ tartan: { image: { registry: 'r' } } }, 'tartan.image: Additional property registry is not allowed'],
    [
      { tartan: { serviceMonitor: { enabled: true } }, flannel: { healthz: { port: 0 } } },
      'needs flannel.healthz.port',
    ],
  ])('refuses %j with the reason', (values, reason) => {
    const { objects, error } = renderChart(values);
    expect(objects).toEqual([]);
    expect(error).toContain(reason);
  });
});
