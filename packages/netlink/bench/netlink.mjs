// How fast @tartan/netlink changes and reads the kernel's tables, beside `ip -batch` and `bridge -batch` in the same run, all in a
// fresh network namespace. Needs the build (tsc -b) and root or a user namespace. Prints JSON; times are milliseconds.
//
//   node packages/netlink/bench/netlink.mjs [--rounds 5]
import { spawnSync } from 'node:child_process';
import { cpus, release } from 'node:os';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Ipv4Address, Ipv4Prefix, Ipv6Prefix, MacAddress, parseIpAddress } from '@tartan/core';
import { createRtNetlink } from '@tartan/netlink';

const COUNT = 5_000;
const INSIDE = 'TARTAN_BENCH_OWN_NETNS';

if (process.env[INSIDE] !== '1') enterNamespace();
else process.stdout.write(`${JSON.stringify(await measureAll(), null, 2)}\n`);

function enterNamespace() {
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const script = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const result = spawnSync('unshare', [...user, '--net', ...script], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  process.exitCode = result.status ?? 1;
}

async function measureAll() {
  const rounds = Number(process.argv[process.argv.indexOf('--rounds') + 1]) || 5;
  ip('link add net0 type veth peer name net1', 'link set net1 up', 'link set net0 up', 'addr add 10.0.0.1/16 dev net0');
  ip('addr add fd00::1/64 dev net0 nodad');
  ip('link add vx0 type vxlan id 7 dstport 8472 local 10.0.0.1 dev net0 nolearning', 'link set vx0 up');
  const results = { native: await measure('native', rounds), library: await measure('library', rounds) };
  const reference = measureIp(rounds);
  return {
    machine: { kernel: release(), cpu: cpus()[0]?.model, cpus: cpus().length, node: process.version },
    objects: COUNT,
    rounds,
    results,
    reference,
    ratioToIpBatch: {
      routeReplace: ratio(results.native.routeReplace, reference.ipRouteReplace),
      fifteenThousand: ratio(results.native.fifteenThousand, reference.ipFifteenThousand),
    },
  };
}

async function measure(transport, rounds) {
  const netlink = createRtNetlink({ transport });
  const vxlan = (await netlink.listLinks()).find((link) => link.name === 'vx0').index;
  const sets = kernelOps(vxlan);
  const times = {};
  for (let round = 0; round < rounds; round++) {
    const timed = async (name, work) => {
      const start = performance.now();
      const value = await work();
      (times[name] ??= []).push(performance.now() - start);
      return value;
    };
    await timed('routeCreate', () => applied(netlink, sets.routes));
    await timed('routeReplace', () => applied(netlink, sets.otherRoutes));
    const routes = await timed('routeDump', () => netlink.listRoutes({ family: 4, protocol: 99 }));
    if (routes.length !== COUNT) throw new Error(`dump has ${routes.length} routes`);
    await timed('routeLookup', () => netlink.lookupRoutes(sets.routes.map((op) => op.route.dst.address)));
    await timed('routeDelete', () => applied(netlink, sets.routeDeletes));
    await timed('ipv6RouteReplace', () => applied(netlink, sets.ipv6Routes));
    await timed('ipv6RouteDelete', () => applied(netlink, sets.ipv6RouteDeletes));
    await timed('fifteenThousand', () => applied(netlink, sets.everything));
    await timed('fifteenThousandDump', () =>
      Promise.all([netlink.listRoutes({ protocol: 99 }), netlink.listNeighbours(), netlink.listFdb()]),
    );
    await timed('fifteenThousandAgain', () => applied(netlink, sets.everything));
    await timed('fifteenThousandDelete', () => applied(netlink, sets.everythingDeletes));
  }
  netlink.close();
  return summary(times);
}

function kernelOps(vxlan) {
  const numbers = Array.from({ length: COUNT }, (_, number) => number);
  const net = Ipv4Address.parse('10.64.0.0');
  const gateway = Ipv4Address.parse('10.0.0.2');
  const other = Ipv4Address.parse('10.0.0.3');
  const vtep = (number) => Ipv4Address.parse('10.0.16.0').add(number);
  const dst = (number) => Ipv4Prefix.of(net.add(number * 256), 24);
  const dst6 = (number) => Ipv6Prefix.parse(`fd01:0:0:${number.toString(16)}::/64`);
  const gateway6 = parseIpAddress('fd00::2');
  const mac = (number) => MacAddress.fromBytes(Uint8Array.from([2, 0, 0, 0, number >> 8, number & 255]));
  const routes = numbers.map((number) => ({ op: 'route-replace', route: { dst: dst(number), protocol: 99, gateway } }));
  const otherRoutes = numbers.map((n) => ({
    op: 'route-replace',
    route: { dst: dst(n), protocol: 99, gateway: other },
  }));
  const overlay = numbers.flatMap((number) => [
    { op: 'neighbour-replace', neighbour: { ifindex: vxlan, address: dst(number).address, mac: mac(number) } },
    { op: 'fdb-replace', fdb: { ifindex: vxlan, mac: mac(number), dst: vtep(number) } },
    {
      op: 'route-replace',
      route: { dst: dst(number), protocol: 99, gateway: dst(number).address, oif: vxlan, onlink: true },
    },
  ]);
  const ipv6Routes = numbers.map((n) => ({
    op: 'route-replace',
    route: { dst: dst6(n), protocol: 99, gateway: gateway6 },
  }));
  const reverse = (ops) => ops.map((op) => ({ ...op, op: op.op.replace('replace', 'delete') }));
  return {
    routes,
    otherRoutes,
    routeDeletes: reverse(otherRoutes),
    ipv6Routes,
    ipv6RouteDeletes: reverse(ipv6Routes),
    everything: overlay,
    everythingDeletes: reverse(overlay),
  };
}

async function applied(netlink, ops) {
  for (const result of await netlink.apply(ops)) if (!result.ok) throw result.error;
}

function measureIp(rounds) {
  const lines = (make) => `${Array.from({ length: COUNT }, (_, number) => make(number)).join('\n')}\n`;
  const net = Ipv4Address.parse('10.64.0.0');
  const dst = (number) => net.add(number * 256).toString();
  const mac = (n) => MacAddress.fromBytes(Uint8Array.from([2, 0, 0, 0, n >> 8, n & 255])).toString();
  const vtep = (number) => Ipv4Address.parse('10.0.16.0').add(number).toString();
  const times = {};
  const timed = (name, ...batches) => {
    const start = performance.now();
    for (const [program, input] of batches) run(program, ['-batch', '-'], input);
    (times[name] ??= []).push(performance.now() - start);
  };
  for (let round = 0; round < rounds; round++) {
    timed('ipRouteCreate', ['ip', lines((n) => `route replace ${dst(n)}/24 via 10.0.0.2 proto 99`)]);
    timed('ipRouteReplace', ['ip', lines((n) => `route replace ${dst(n)}/24 via 10.0.0.3 proto 99`)]);
    timed('ipRouteDelete', ['ip', lines((n) => `route del ${dst(n)}/24 via 10.0.0.3 proto 99`)]);
    timed(
      'ipFifteenThousand',
      ['ip', lines((n) => `neigh replace ${dst(n)} lladdr ${mac(n)} dev vx0 nud permanent`)],
      ['bridge', lines((n) => `fdb replace ${mac(n)} dev vx0 dst ${vtep(n)} self permanent`)],
      ['ip', lines((n) => `route replace ${dst(n)}/24 via ${dst(n)} dev vx0 onlink proto 99`)],
    );
    ip('link set vx0 down', 'link del vx0');
    ip('link add vx0 type vxlan id 7 dstport 8472 local 10.0.0.1 dev net0 nolearning', 'link set vx0 up');
  }
  return summary(times);
}

function ip(...commands) {
  for (const command of commands) run('ip', command.split(' '));
}

function run(program, args, input) {
  const result = spawnSync(program, args, { encoding: 'utf8', ...(input === undefined ? {} : { input }) });
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr}`);
}

/** Median and best of the rounds. */
function summary(times) {
  return Object.fromEntries(
    Object.entries(times).map(([name, values]) => {
      const sorted = [...values].sort((a, b) => a - b);
      const round = (value) => Math.round(value * 10) / 10;
      return [name, { median: round(sorted[sorted.length >> 1]), best: round(sorted[0]) }];
    }),
  );
}

function ratio(ours, reference) {
  return Math.round((ours.median / reference.median) * 100) / 100;
}
