/** Target: what the session filters of nodes ask and tell by themselves (protos/sluice/v1/sessions.proto). */
import { strict as assert } from 'node:assert';
import path from 'node:path';
import protobuf from 'protobufjs';
import type { Method } from '../../../xds-server/pure/rpc/rpc.js';
import {
  findSessionMethod,
  loggedInMethod,
  surplusMethod,
} from '../../../xds-server/shells/cancels/sessions-service.js';
import { top } from '../target.js';

// biome-ignore lint/suspicious/noExplicitAny: what protobufjs decodes has no static type; each use is compared.
type Decoded = any;

interface Kind {
  readonly method: Method<unknown>;
  readonly type: protobuf.Type;
  /** What is read of it, as protobufjs reads it. */
  readonly expected: (message: Decoded) => unknown;
}

const root = protobuf.loadSync(path.join(top, 'protos/sluice/v1/sessions.proto'));
const typed = (name: string): protobuf.Type => root.lookupType(`sluice.v1.${name}`);

const kinds: readonly Kind[] = [
  {
    method: findSessionMethod(async () => undefined),
    type: typed('FindSessionRequest'),
    expected: ({ connection, frontId }) => ({ connection, frontId }),
  },
  {
    method: surplusMethod(async () => []),
    type: typed('SurplusRequest'),
    expected: ({ offers }) => offers.map(({ connection, idleMs }: Decoded) => ({ connection, idleMs })),
  },
  {
    method: loggedInMethod(() => undefined),
    type: typed('LoggedInRequest'),
    expected: ({ logins }) =>
      logins.map(({ connection, serverId, frontId, cancelDigest }: Decoded) => ({
        ...{ connection, serverId },
        frontId: frontId || undefined,
        cancelDigest: cancelDigest.length > 64 ? undefined : cancelDigest || undefined,
      })),
  },
];

/** Which of them the first byte says; the rest is read as protobufjs reads it, or refused. */
export function questions(input: Buffer): void {
  const { method, type, expected } = kinds[(input[0] ?? 0) % kinds.length]!;
  const bytes = input.subarray(1);
  read(method, bytes);
  const message = decoded(type, bytes);
  if (!message) return;
  const found = read(method, type.encode(message).finish());
  const wanted = expected(type.toObject(message, { defaults: true, arrays: true }));
  if (found === undefined) assert.ok(Array.isArray(wanted) && wanted.length > 1_000, 'a message is refused');
  else assert.deepEqual(found, wanted);
}

/** The call ends with bytes that are no message, whatever is thrown at them. */
function read(method: Method<unknown>, bytes: Uint8Array): unknown {
  try {
    return method.decode(bytes);
  } catch {
    return undefined;
  }
}

function decoded(type: protobuf.Type, bytes: Uint8Array): protobuf.Message | undefined {
  try {
    // As Envoy would write it: each field once, in order.
    return type.decode(type.encode(type.decode(bytes)).finish());
  } catch {
    return undefined;
  }
}

const connection = '0123456789abcdef0123456789abcdef';

export const questionSeeds: readonly Buffer[] = [
  seed(0, { connection, frontId: 4_026_531_841 }),
  seed(1, { offers: [{ connection, idleMs: 5_000 }, { idleMs: 1 }] }),
  seed(2, {
    logins: [
      { connection, serverId: 77, cancelDigest: 'ab' },
      { connection, serverId: 78, frontId: 3 },
    ],
  }),
];

function seed(kind: number, message: object): Buffer {
  return Buffer.concat([Buffer.from([kind]), kinds[kind]!.type.encode(message).finish()]);
}
