/** What the demo needs to know of a backend; everything else the daemons do by themselves. */
export interface DemoBackend {
  /** The `Backend` object of the network config. */
  readonly config: Readonly<Record<string, unknown>>;
  /** How packets get from host to host, in a few words for the picture. */
  readonly way: string;
  /** Packets flow on while the daemon is away. */
  readonly hitless: boolean;
}

export const demoBackends: Readonly<Record<string, DemoBackend>> = {
  'host-gw': { config: { Type: 'host-gw' }, way: 'plain routes, no encapsulation', hitless: true },
  udp: { config: { Type: 'udp' }, way: 'IP in UDP 8285, through the packet loop', hitless: false },
  vxlan: { config: { Type: 'vxlan' }, way: 'VXLAN over UDP 8472', hitless: true },
};
