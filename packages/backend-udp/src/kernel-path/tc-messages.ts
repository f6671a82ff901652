/*
 * rtnetlink messages of traffic control, for what `tc qdisc ... clsact` and `tc filter ... bpf direct-action` do. Layouts:
 * include/uapi/linux/netlink.h, rtnetlink.h, pkt_sched.h and pkt_cls.h (v6.1). Pure.
 */

const NLMSG_ERROR = 2;
const RTM_NEWQDISC = 36;
const RTM_DELQDISC = 37;
const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;
const NLM_F_REQUEST = 0x01;
const NLM_F_ACK = 0x04;
const NLM_F_DUMP = 0x300;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
/** In an error: the request is not repeated; attributes follow. */
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const NLA_TYPE_MASK = 0x3fff;

const HEADER_BYTES = 16;
const TCMSG_BYTES = 20;
const CLSACT_PARENT = 0xfffffff1;
const CLSACT_HANDLE = 0xffff0000;
const TCA = { kind: 1, options: 2 } as const;
const TCA_BPF = { fd: 6, name: 7, flags: 8, id: 11 } as const;
const DIRECT_ACTION = 1;
/** ETH_P_ALL in network order, as tcm_info wants it on a little-endian machine. */
const ALL_PROTOCOLS = 0x0300;

export type Direction = 'ingress' | 'egress';
/** TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS or TC_H_MIN_EGRESS). */
const PARENT: Readonly<Record<Direction, number>> = { ingress: 0xfffffff2, egress: 0xfffffff3 };

export interface FilterPlace {
  readonly ifindex: number;
  readonly direction: Direction;
  /** `pref` of tc: lower ones run first. */
  readonly preference: number;
  readonly handle: number;
}

/** A filter of kind bpf. */
export interface BpfFilter extends FilterPlace {
  readonly name: string;
  readonly programId: number;
}

export function addClsact(ifindex: number): Buffer {
  const flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  return message(RTM_NEWQDISC, flags, { ifindex, handle: CLSACT_HANDLE, parent: CLSACT_PARENT }, [
    textAttribute(TCA.kind, 'clsact'),
  ]);
}

export function deleteClsact(ifindex: number): Buffer {
  return message(
    RTM_DELQDISC,
    NLM_F_REQUEST | NLM_F_ACK,
    { ifindex, handle: CLSACT_HANDLE, parent: CLSACT_PARENT },
    [],
  );
}

/** Adds the filter, or takes the place of the one with the same handle in one step (cls_bpf_change() in net/sched/cls_bpf.c, v6.1). */
export function replaceFilter(
  place: FilterPlace,
  program: { readonly descriptor: number; readonly name: string },
): Buffer {
  const options = [
    numberAttribute(TCA_BPF.fd, program.descriptor),
    textAttribute(TCA_BPF.name, program.name),
    numberAttribute(TCA_BPF.flags, DIRECT_ACTION),
  ];
  return message(RTM_NEWTFILTER, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, filterFields(place), [
    textAttribute(TCA.kind, 'bpf'),
    attribute(TCA.options, Buffer.concat(options)),
  ]);
}

export function deleteFilter(place: FilterPlace): Buffer {
  return message(RTM_DELTFILTER, NLM_F_REQUEST | NLM_F_ACK, filterFields(place), [textAttribute(TCA.kind, 'bpf')]);
}

export function listFilters(ifindex: number, direction: Direction): Buffer {
  return message(RTM_GETTFILTER, NLM_F_REQUEST | NLM_F_DUMP, { ifindex, handle: 0, parent: PARENT[direction] }, []);
}

export interface KernelAnswer {
  /** 0, or the positive errno of the request. */
  readonly errno: number;
  /** The kernel's own words about an error. */
  readonly text?: string;
  /** Filters of any kind that the dump holds, and how many; those of kind bpf in detail. */
  readonly filters: readonly BpfFilter[];
  readonly filterCount: number;
}

export function parseAnswer(answer: Buffer, direction: Direction = 'ingress'): KernelAnswer {
  const filters: BpfFilter[] = [];
  let filterCount = 0;
  for (const { type, flags, body } of messages(answer)) {
    if (type === NLMSG_ERROR) return { ...parseError(flags, body), filters, filterCount };
    if (type !== RTM_NEWTFILTER || body.readUInt32LE(8) === 0) continue;
    filterCount++;
    const filter = parseFilter(body, direction);
    if (filter) filters.push(filter);
  }
  return { errno: 0, filters, filterCount };
}

interface Message {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

function* messages(answer: Buffer): Generator<Message> {
  for (let at = 0; at + HEADER_BYTES <= answer.length;) {
    const length = answer.readUInt32LE(at);
    if (length < HEADER_BYTES) return;
    yield {
      type: answer.readUInt16LE(at + 4),
      flags: answer.readUInt16LE(at + 6),
      body: answer.subarray(at + HEADER_BYTES, at + length),
    };
    at += align(length);
  }
}

/** NLMSG_ERROR: errno, header of the request (and the request itself unless capped), attributes. */
function parseError(flags: number, body: Buffer): { errno: number; text?: string } {
  const errno = -body.readInt32LE(0);
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno };
  const repeated = (flags & NLM_F_CAPPED) === 0 ? align(body.readUInt32LE(4)) : HEADER_BYTES;
  const text = attributes(body.subarray(4 + repeated)).get(NLMSGERR_ATTR_MSG);
  return text ? { errno, text: textOf(text) } : { errno };
}

function parseFilter(body: Buffer, direction: Direction): BpfFilter | undefined {
  const all = attributes(body.subarray(TCMSG_BYTES));
  const kind = all.get(TCA.kind);
  const options = all.get(TCA.options);
  if (!kind || textOf(kind) !== 'bpf' || !options) return undefined;
  const details = attributes(options);
  const name = details.get(TCA_BPF.name);
  return {
    ifindex: body.readInt32LE(4),
    handle: body.readUInt32LE(8),
    preference: body.readUInt32LE(16) >>> 16,
    direction,
    name: name ? textOf(name) : '',
    programId: details.get(TCA_BPF.id)?.readUInt32LE(0) ?? 0,
  };
}

function attributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

interface TcFields {
  readonly ifindex: number;
  readonly handle: number;
  readonly parent: number;
  readonly info?: number;
}

function filterFields({ ifindex, direction, preference, handle }: FilterPlace): TcFields {
  return { ifindex, handle, parent: PARENT[direction], info: ((preference << 16) | ALL_PROTOCOLS) >>> 0 };
}

function message(type: number, flags: number, fields: TcFields, attrs: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(HEADER_BYTES + TCMSG_BYTES);
  head.writeUInt16LE(type, 4);
  head.writeUInt16LE(flags, 6);
  head.writeUInt32LE(1, 8);
  head.writeInt32LE(fields.ifindex, HEADER_BYTES + 4);
  head.writeUInt32LE(fields.handle, HEADER_BYTES + 8);
  head.writeUInt32LE(fields.parent, HEADER_BYTES + 12);
  head.writeUInt32LE(fields.info ?? 0, HEADER_BYTES + 16);
  const bytes = Buffer.concat([head, ...attrs]);
  bytes.writeUInt32LE(bytes.length, 0);
  return bytes;
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(align(4 + value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

function numberAttribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value, 0);
  return attribute(type, bytes);
}

function textAttribute(type: number, text: string): Buffer {
  return attribute(type, Buffer.from(`${text}\0`));
}

function textOf(bytes: Buffer): string {
  return bytes.toString('utf8').replace(/\0.*$/s, '');
}

function align(length: number): number {
  return (length + 3) & ~3;
}
