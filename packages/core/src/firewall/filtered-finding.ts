import type { Finding } from '../reconcile';
import type { BaseChain } from './nft-ruleset';
import type { Fate } from './packet-walk';
import type { UdpPacket } from './udp-packet';

/** What to do about it, in the words of the firewall that somebody works with on this host. */
interface Place {
  /** For the sentence "... drops". */
  readonly who: string;
  readonly cure: string;
}

export function nftFinding(packet: UdpPacket, chain: BaseChain, fate: Fate): Finding {
  return finding(packet, fate, nftPlace(packet, chain, fate));
}

/** `program` is the iptables that shows these rules. */
export function xtFinding(packet: UdpPacket, program: string, fate: Fate): Finding {
  return finding(packet, fate, xtPlace(packet, program, fate));
}

function nftPlace({ port }: UdpPacket, { family, table, name }: BaseChain, { trail }: Fate): Place {
  const chain = `${family} ${table} ${name}`;
  if (table === 'firewalld') return firewalldPlace(port, trail);
  return { who: `the nftables chain ${chain}`, cure: `nft insert rule ${chain} udp dport ${port} accept` };
}

/** The chains of zone `public` are filter_IN_public, filter_IN_public_allow and so on (firewalld 1.3, src/firewall/core/nftables.py). */
function firewalldPlace(port: number, trail: readonly string[]): Place {
  const zone = trail
    .map((chain) => /^filter_IN_(?!policy_)(.+)$/.exec(chain)?.[1])
    .find((candidate) => candidate !== undefined);
  const option = zone === undefined ? '' : ` --zone=${zone}`;
  const cure = `firewall-cmd --permanent${option} --add-port=${port}/udp && firewall-cmd --reload`;
  return { who: `firewalld${zone === undefined ? '' : `, zone ${zone},`}`, cure };
}

function xtPlace({ port }: UdpPacket, program: string, { trail }: Fate): Place {
  if (trail.some((chain) => /^ufw6?-/.test(chain))) return { who: 'ufw', cure: `ufw allow ${port}/udp` };
  return {
    who: `the ${program} chain INPUT`,
    cure: `${program} -I INPUT -p udp --dport ${port} -j ACCEPT`,
  };
}

function finding({ port, ifname }: UdpPacket, { mayAccept }: Fate, { who, cure }: Place): Finding {
  const what = `packets to UDP port ${port} that come in on ${ifname}`;
  return {
    severity: 'warning',
    code: 'UDP_PORT_FILTERED',
    subject: `UDP port ${port}: ${who.replaceAll(',', '')}`,
    message: mayAccept
      ? `${who} may drop ${what}: it drops what no rule accepts, and whether one accepts those of all peers cannot be told from here`
      : `${who} drops ${what}, so nothing arrives from peers`,
    cure,
  };
}
