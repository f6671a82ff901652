import { TartanError } from '../errors';

/** 00 to ff. Dumps of whole forwarding databases come through here. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const MAC_FORM = /^[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}$/i;

/** A 48-bit Ethernet address, immutable, canonical text in lower case with colons. */
export class MacAddress {
  private constructor(private readonly text: string) {}

  /** Accepts colons or hyphens in either case. Throws ADDRESS_INVALID. */
  static parse(text: string): MacAddress {
    if (!MAC_FORM.test(text)) throw new TartanError('ADDRESS_INVALID', { text, expected: 'a MAC address' });
    return new MacAddress(text.toLowerCase().replaceAll('-', ':'));
  }

  /** `bytes` holds exactly 6 bytes in network order. Throws ADDRESS_INVALID otherwise. */
  static fromBytes(bytes: Uint8Array): MacAddress {
    if (bytes.length !== 6) {
      throw new TartanError('ADDRESS_INVALID', {
        text: Buffer.from(bytes).toString('hex'),
        expected: 'a MAC address of 6 bytes',
      });
    }
    let text = HEX[bytes[0] as number] as string;
    for (let place = 1; place < 6; place++) text += `:${HEX[bytes[place] as number] as string}`;
    return new MacAddress(text);
  }

  /** Six bytes in network order; a fresh buffer on each call. */
  toBytes(): Buffer {
    return Buffer.from(this.text.replaceAll(':', ''), 'hex');
  }

  equals(other: MacAddress): boolean {
    return this.text === other.text;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}
