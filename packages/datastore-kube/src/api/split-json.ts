/*
 * Large answers in small pieces. A list of 5,000 nodes is some 75 MB of JSON; parsed as a whole it would cost several hundred MB
 * of memory for a moment, of which V8 gives little back. So the text is cut, as it arrives, into the objects that it holds, and each
 * of them is parsed, trimmed and forgotten before the next one.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
/** A node has a few kilobytes, with every image name it can have some tens of them. */
const LONGEST_OBJECT_BYTES = 4 << 20;

/** Lines of a stream, without their ends; what follows the last one is given too. Buffers are valid until the next one is asked for. */
export async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const part = chunk.subarray(start, end);
      start = end + 1;
      const line = pending.length === 0 ? part : Buffer.concat([...pending, part]);
      pending = [];
      length = 0;
      if (line.length > 0) yield line;
    }
    if (start === chunk.length) continue;
    pending.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > LONGEST_OBJECT_BYTES) throw new Error(`a line is longer than ${LONGEST_OBJECT_BYTES} bytes`);
  }
  if (length > 0) yield Buffer.concat(pending);
}

/** The frame of a list once all items are taken out: `{"kind":"NodeList",…,"items":[]}`. */
export interface ListFrame {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

/**
 * Hands every element of the array `items` of one JSON object to `onItem`, as bytes, and resolves with the rest of the object.
 * Rejects when the text ends too early. Works on bytes: JSON's own characters are never part of a longer UTF-8 sequence.
 */
export async function splitItems(chunks: AsyncIterable<Buffer>, onItem: (item: Buffer) => void): Promise<ListFrame> {
  const splitter = new ItemSplitter(onItem);
  for await (const chunk of chunks) splitter.push(chunk);
  return splitter.end();
}

/** Elements of `items` start at this depth: the list is one, the array two. */
const ITEM_DEPTH = 2;

class ItemSplitter {
  private depth = 0;
  private inString = false;
  private escaped = false;
  /** Inside of the array `items` of the outermost object. */
  private inItems = false;
  /** The frame up to the first item is complete. */
  private seenItems = false;
  private readonly frame: Buffer[] = [];
  private item: Buffer[] = [];
  private itemLength = 0;

  constructor(private readonly onItem: (item: Buffer) => void) {}

  push(chunk: Buffer): void {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      if (this.inString) {
        at = this.skipString(chunk, at);
        continue;
      }
      const byte = chunk[at] as number;
      if (byte === QUOTE) this.inString = true;
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (byte === OPEN_BRACKET && this.depth === 1) this.inItems = this.frameEndsWithItems(chunk.subarray(from, at));
        if (this.inItems && this.depth === ITEM_DEPTH) {
          this.keep(chunk.subarray(from, at));
          from = at;
        }
        this.depth++;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.depth--;
        if (this.inItems && this.depth === ITEM_DEPTH) {
          this.give(chunk.subarray(from, at + 1));
          from = at + 1;
        } else if (this.inItems && this.depth === 1) {
          this.keep(chunk.subarray(from, at));
          this.inItems = false;
          from = at;
        }
      }
    }
    this.stash(chunk.subarray(from));
  }

  end(): ListFrame {
    if (this.depth !== 0 || this.inString) throw new Error('the list ended in the middle');
    return JSON.parse(Buffer.concat(this.frame).toString('utf8')) as ListFrame;
  }

  /** Position of the quote that ends the string, or of the last byte when it goes on. */
  private skipString(chunk: Buffer, at: number): number {
    if (this.escaped) {
      this.escaped = false;
      return at;
    }
    for (let place = at; place < chunk.length; place++) {
      const byte = chunk[place];
      if (byte === BACKSLASH) {
        if (place + 1 === chunk.length) this.escaped = true;
        place++;
      } else if (byte === QUOTE) {
        this.inString = false;
        return place;
      }
    }
    return chunk.length;
  }

  private frameEndsWithItems(tail: Buffer): boolean {
    return /"items"\s*:\s*$/.test(
      Buffer.concat([...this.frame, tail])
        .subarray(-64)
        .toString('latin1'),
    );
  }

  /** Text between items belongs to nobody; before the array it is part of the frame. */
  private keep(between: Buffer): void {
    if (!this.seenItems) this.frame.push(Buffer.from(between));
    this.seenItems = true;
  }

  private give(end: Buffer): void {
    const item = this.item.length === 0 ? end : Buffer.concat([...this.item, end]);
    this.item = [];
    this.itemLength = 0;
    this.onItem(item);
  }

  private stash(rest: Buffer): void {
    if (rest.length === 0) return;
    if (this.inItems && this.depth > ITEM_DEPTH) {
      this.item.push(Buffer.from(rest));
      this.itemLength += rest.length;
      if (this.itemLength > LONGEST_OBJECT_BYTES)
        throw new Error(`an item is longer than ${LONGEST_OBJECT_BYTES} bytes`);
    } else if (!this.inItems || !this.seenItems) {
      this.frame.push(Buffer.from(rest));
    }
  }
}
