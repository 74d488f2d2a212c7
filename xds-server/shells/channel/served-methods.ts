/** For tests: methods of every kind, served on connections as they ship, and callers of them by Node's own HTTP/2. */
import { once } from 'node:events';
import http2 from 'node:http2';
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { Overdue } from '../../pure/rpc/overdue.js';
import { Rooms } from '../../pure/rpc/rooms.js';
import { type Call, type Method, unary } from '../../pure/rpc/rpc.js';
import { Http2Connection } from './http2-connection.js';

const echo = unary(
  { path: '/test/Echo', maxMessageBytes: 8 << 20, decode: (bytes) => Buffer.from(bytes) },
  (message, call) => {
    call.reply(message);
    return () => undefined;
  },
);
const header = unary(
  { path: '/test/Header', maxMessageBytes: 10, decode: () => undefined },
  (_message, call) => {
    call.reply(Buffer.from(call.header('x-text') ?? '', 'latin1'));
    return () => undefined;
  },
);
const broken = unary({ path: '/test/Broken', maxMessageBytes: 10, decode: () => undefined }, () => {
  throw new Error('a bug');
});
const picky = unary(
  {
    path: '/test/Picky',
    maxMessageBytes: 10,
    decode: () => {
      throw new RangeError('no');
    },
  },
  () => () => undefined,
);

export interface Served {
  readonly port: number;
  readonly connections: Http2Connection[];
  readonly calls: Call[];
  readonly cancelled: () => number;
  readonly bugs: unknown[];
  /** Methods whose calls were ended at a bound. */
  readonly exhausted: string[];
  /** For what is not whole: 64 MiB. */
  readonly rooms: Rooms;
}

/** A server whose method `/test/Held` leaves calls to the test, and `/test/Count` answers with the bytes it was sent;
 * so does `/test/List`, and says by billions how often it was given a part of a list. */
export async function serve(t: TestContext): Promise<Served> {
  const calls: Call[] = [];
  const bugs: unknown[] = [];
  const exhausted: string[] = [];
  const rooms = new Rooms({ ofEach: 64 << 20, ofAll: 256 << 20 });
  let cancelled = 0;
  const held = unary({ path: '/test/Held', maxMessageBytes: 10, decode: () => undefined }, (_, call) => {
    calls.push(call);
    return () => {
      cancelled += 1;
    };
  });
  const count: Method<number> = {
    path: '/test/Count',
    maxMessageBytes: 1 << 20,
    decode: (bytes) => bytes.length,
    accept(call) {
      let sum = 0;
      return {
        message: (length) => {
          sum += length;
        },
        finished: () => call.reply(Buffer.from(String(sum))),
        cancelled: () => undefined,
      };
    },
  };
  const list: Method<number> = {
    ...{ ...count, path: '/test/List' },
    records: { field: 3, maxRecordBytes: 1_000, decode: (bytes) => 1_000_000_000 + bytes.length },
  };
  const all = [echo, header, broken, picky, held, count, list] as Method[];
  const methods = new Map(all.map((method) => [method.path, method]));
  const connections: Http2Connection[] = [];
  const server = createServer((socket) => {
    const identify = (of: (name: string) => string | undefined) =>
      of('x-nobody') === undefined ? caller : 'nobody';
    const caller = { node: 'edge-1', peer: '' };
    connections.push(
      new Http2Connection(socket, {
        ...{ methods, identify },
        broken: (_path, error) => bugs.push(error),
        exhausted: ({ path }) => exhausted.push(path),
        room: ({ node }) => rooms.of(node),
        awaited: new Overdue(10),
      }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const connection of connections) connection.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { port, connections, calls, bugs, exhausted, rooms, cancelled: () => cancelled };
}

export function client(t: TestContext, { port }: Served, options: http2.ClientSessionOptions = {}) {
  const session = http2.connect(`http://127.0.0.1:${port}`, options);
  session.on('error', () => undefined);
  t.after(() => session.destroy());
  return session;
}

export const framed = (message: Uint8Array, compressed = 0): Buffer => {
  const head = Buffer.from([compressed, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

interface Answer {
  readonly http: number | undefined;
  readonly status: number;
  readonly details: string;
  readonly message: Buffer;
}

export async function call(
  session: http2.ClientHttp2Session,
  path: string,
  body: Uint8Array,
  headers: http2.OutgoingHttpHeaders = {},
): Promise<Answer> {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let last: http2.IncomingHttpHeaders = {};
  let http: number | undefined;
  stream.on('response', (received) => {
    http = received[':status'];
    last = received;
  });
  stream.on('trailers', (received) => {
    last = received;
  });
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', () => undefined);
  stream.end(body);
  await once(stream, 'close');
  const message = Buffer.concat(chunks).subarray(5);
  const status = Number(last['grpc-status'] ?? -1);
  return { http, status, details: decodeURIComponent(String(last['grpc-message'] ?? '')), message };
}
