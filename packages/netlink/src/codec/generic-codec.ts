import { AttributeCursor } from './message-reader';
import type { MessageWriter } from './message-writer';
import { NLM_F } from './constants';

/*
 * Generic netlink: many small families over one protocol. A family's message type is handed out when the kernel registers it, so
 * it has to be asked for by name first. include/uapi/linux/genetlink.h (v6.1), struct genlmsghdr behind the nlmsghdr:
 *
 *    0       1       2               4
 *   +-------+-------+---------------+------------
 *   |  cmd  |version|   reserved    | attributes
 *   +-------+-------+---------------+------------
 */

/** Bytes of struct genlmsghdr. */
export const GENLMSGHDR_SIZE = 4;

/** The controller, the one family with a fixed type: GENL_ID_CTRL, CTRL_CMD_* and CTRL_ATTR_* of the same header. */
const CONTROLLER = { type: 0x10, version: 2, getFamily: 3, newFamily: 1, familyId: 1, familyName: 2 } as const;

export interface GenericRequest {
  /** Message type of the family. */
  readonly type: number;
  readonly command: number;
  readonly version: number;
  readonly sequence: number;
}

/** Starts a request that is acknowledged; attributes follow, then endMessage(). */
export function startGeneric(writer: MessageWriter, { type, command, version, sequence }: GenericRequest): void {
  writer.startMessage(type, NLM_F.request | NLM_F.ack, sequence);
  writer.u8(command);
  writer.u8(version);
  writer.u16(0);
}

/** The command of a generic message and where its attributes are; undefined when it is too short to be one. */
export function openGeneric(
  view: DataView,
  start: number,
  end: number,
): { readonly command: number; readonly attributes: AttributeCursor } | undefined {
  if (end - start < GENLMSGHDR_SIZE) return undefined;
  return { command: view.getUint8(start), attributes: new AttributeCursor(view, start + GENLMSGHDR_SIZE, end) };
}

export function encodeFamilyLookup(writer: MessageWriter, name: string, sequence: number): void {
  startGeneric(writer, {
    type: CONTROLLER.type,
    command: CONTROLLER.getFamily,
    version: CONTROLLER.version,
    sequence,
  });
  writer.attributeText(CONTROLLER.familyName, name);
  writer.endMessage();
}

/** The message type of the family that was asked for. */
export function decodeFamily(view: DataView, start: number, end: number): number | undefined {
  const message = openGeneric(view, start, end);
  if (message?.command !== CONTROLLER.newFamily) return undefined;
  const { attributes } = message;
  while (attributes.next()) if (attributes.type === CONTROLLER.familyId) return attributes.u16();
  return undefined;
}
