/** Targets: what nodes say to the channel, above HTTP/2 and TLS, which are libraries. */
import { strict as assert } from 'node:assert';
import { nodeIdentity, nodeIdPattern } from '../../../xds-server/pure/identity/node-identity.js';
import { bookBytes } from '../../../xds-server/pure/rpc/gathered.js';
import { MessageReader, messageHeadBytes } from '../../../xds-server/pure/rpc/message-reader.js';
import { RecordReader } from '../../../xds-server/pure/rpc/record-reader.js';
import { Rooms } from '../../../xds-server/pure/rpc/rooms.js';

const maxMessageBytes = 300;

interface Read {
  readonly messages: readonly string[];
  readonly unreadable: unknown;
  readonly waiting: number;
}

function read(bytes: Buffer, size: number): Read {
  const reader = new MessageReader(maxMessageBytes);
  const messages: string[] = [];
  let unreadable: unknown;
  for (let at = 0; at < bytes.length && !unreadable; at += size) {
    unreadable = reader.push(bytes.subarray(at, at + size), (message) => {
      messages.push(Buffer.from(message).toString('hex'));
      return true;
    });
    assert.ok(reader.waiting < messageHeadBytes + maxMessageBytes);
  }
  return { messages, unreadable, waiting: unreadable ? 0 : reader.waiting };
}

/** The bytes of a call: cuts change nothing, what waits has a bound, and what was read is what was written. */
export function framing(input: Buffer): void {
  const whole = read(input, Number.MAX_SAFE_INTEGER);
  for (const size of [1, 2 + (input[0] ?? 0)]) assert.deepEqual(read(input, size), whole);
  const written = whole.messages.flatMap((hex) => {
    const head = Buffer.alloc(messageHeadBytes);
    head.writeUInt32BE(hex.length / 2, 1);
    return [head, Buffer.from(hex, 'hex')];
  });
  const bytes = Buffer.concat(written);
  assert.ok(input.subarray(0, bytes.length).equals(bytes));
  if (!whole.unreadable) assert.equal(bytes.length + whole.waiting, input.length);
}

const maxRecordBytes = 100;

/** A message that is a list of records: cuts change nothing, and what waits has a bound. */
export function records(input: Buffer): void {
  const taken = (size: number): readonly unknown[] => {
    const rooms = new Rooms({ ofEach: 1 << 20, ofAll: 1 << 20 });
    const reader = new RecordReader({ field: 3, maxRecordBytes }, rooms.of('edge-1'));
    reader.begin(input.length);
    const pieces: Uint8Array[] = [];
    let goesOn: unknown = true;
    for (let at = 0; at < input.length && goesOn === true; at += size) {
      goesOn = reader.push(input.subarray(at, at + size), (piece) => pieces.push(Buffer.from(piece)) > 0);
      // Its whole record, or the head of one.
      assert.ok(rooms.taken <= bookBytes + 2 * maxRecordBytes);
    }
    return [goesOn, Buffer.concat(pieces).toString('hex')];
  };
  const whole = taken(Number.MAX_SAFE_INTEGER);
  for (const size of [1, 2 + (input[0] ?? 0)]) assert.deepEqual(taken(size), whole);
}

/** No text is a node with a name that could be taken for another. */
export function nodes(text: string): void {
  const identity = nodeIdentity(text);
  if (identity.kind === 'node') assert.match(identity.node, nodeIdPattern);
  else assert.ok(identity.found.length < 2_000);
}
