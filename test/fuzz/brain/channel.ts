/** Targets: the channel's own HTTP/2, which any node speaks to. */
import { strict as assert } from 'node:assert';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { encodeHeaders } from '../../../xds-server/pure/hpack/encode-headers.js';
import { HeaderDecoder, HeaderError } from '../../../xds-server/pure/hpack/header-decoder.js';
import { nodeIdentity, nodeIdPattern } from '../../../xds-server/pure/identity/node-identity.js';
import type { Call, Method } from '../../../xds-server/pure/rpc/rpc.js';
import { FrameType, frameHeadBytes, preface, settings } from '../../../xds-server/shells/channel/frames.js';
import { Http2Connection } from '../../../xds-server/shells/channel/http2-connection.js';

const maxListBytes = 16_384;

/** Blocks of one connection, each a length byte and its bytes: fields within the bound, or HeaderError. */
export function headers(input: Buffer): void {
  const decoder = new HeaderDecoder(maxListBytes);
  for (let at = 0; at < input.length; ) {
    const end = at + 1 + input[at]!;
    try {
      const fields = decoder.decode(input.subarray(at + 1, end));
      const size = fields.reduce((sum, { name, value }) => sum + name.length + value.length + 32, 0);
      assert.ok(size <= maxListBytes);
      assert.deepEqual(new HeaderDecoder(maxListBytes).decode(encodeHeaders(fields)), fields);
    } catch (error) {
      // The connection ends there.
      if (error instanceof HeaderError) return;
      throw error;
    }
    at = end;
  }
}

/** What the other end of a connection would see. */
class Wire extends EventEmitter {
  readonly sent: Buffer[] = [];
  destroyed = false;
  readonly writableLength = 0;

  write(bytes: Uint8Array): void {
    assert.ok(!this.destroyed);
    this.sent.push(Buffer.from(bytes));
  }

  setNoDelay(): void {}
  cork(): void {}
  uncork(): void {}
  end(): void {
    this.destroy();
  }
  destroySoon(): void {
    this.destroy();
  }
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
}

interface Played {
  readonly sent: Buffer;
  readonly told: readonly string[];
  readonly isOver: boolean;
}

const caller = { node: 'edge-1', peer: '' };

/** One connection that is sent `bytes` in pieces of `size`. */
function played(bytes: Buffer, size: number): Played {
  const wire = new Wire();
  const told: string[] = [];
  let calls = 0;
  const method = (path: string, onMessage: (call: Call, message: Buffer) => void): Method<Buffer> => ({
    path,
    maxMessageBytes: 4_096,
    decode: (message) => Buffer.from(message),
    accept(call) {
      calls += 1;
      const number = calls;
      let state: 'open' | 'finished' | 'cancelled' = 'open';
      const note = (what: string): void => {
        told.push(`${number} ${what}`);
      };
      note(path);
      return {
        message(message) {
          assert.equal(state, 'open', `a message behind the end of call ${number}`);
          note(`message of ${message.length}`);
          onMessage(call, message);
        },
        finished() {
          assert.equal(state, 'open', `call ${number} ends twice`);
          state = 'finished';
          note('finished');
        },
        cancelled() {
          assert.notEqual(state, 'cancelled', `call ${number} is cancelled twice`);
          state = 'cancelled';
          note('cancelled');
        },
      };
    },
  });
  const methods = [
    method('/t/E', (call, message) => call.reply(message)),
    method('/t/S', (call, message) => call.send(Buffer.concat([message, message]))),
    method('/t/H', () => {}),
  ];
  const connection = new Http2Connection(wire as unknown as Socket, {
    methods: new Map(methods.map((each) => [each.path, each as Method])),
    identify: (header) => (header('x') === undefined ? caller : 'nobody'),
    broken: (_path, error) => {
      throw error;
    },
  });
  connection.look();
  for (let at = 0; at < bytes.length && !wire.destroyed; at += size)
    wire.emit('data', bytes.subarray(at, at + size));
  const isOver = wire.destroyed;
  connection.destroy();
  return { sent: Buffer.concat(wire.sent), told, isOver };
}

const begun = Buffer.concat([preface, settings({})]);

/**
 * Frames, behind what every connection begins with, or (first byte 1) all of it. Whatever they are, nothing is thrown, cuts
 * change nothing, a call is told what it may be told, and what is sent is frames.
 */
export function frames(input: Buffer): void {
  const rest = input.subarray(1);
  const bytes = input[0] === 1 ? rest : Buffer.concat([begun, rest]);
  const whole = played(bytes, Number.MAX_SAFE_INTEGER);
  for (const size of [1, 2 + (input[0] ?? 0)]) {
    const cut = played(bytes, size);
    assert.deepEqual(cut.told, whole.told, `in pieces of ${size}`);
    assert.equal(cut.isOver, whole.isOver, `in pieces of ${size}`);
    assert.ok(cut.sent.equals(whole.sent), `in pieces of ${size}`);
  }
  const ended = new Set<number>();
  for (let at = 0; at < whole.sent.length; ) {
    const length = whole.sent.readUIntBE(at, 3);
    const [type, flags] = [whole.sent[at + 3]!, whole.sent[at + 4]!];
    const stream = whole.sent.readUInt32BE(at + 5);
    assert.ok(length <= 16_384 && at + frameHeadBytes + length <= whole.sent.length);
    if (type === FrameType.headers || type === FrameType.data) {
      assert.ok(stream > 0 && !ended.has(stream), 'frames behind the end of a stream');
      if ((flags & 1) === 1) ended.add(stream);
    }
    at += frameHeadBytes + length;
  }
}

/** No text is a node with a name that could be taken for another. */
export function nodes(text: string): void {
  const identity = nodeIdentity(text);
  if (identity.kind === 'node') assert.match(identity.node, nodeIdPattern);
  else assert.ok(identity.found.length < 2_000);
}
