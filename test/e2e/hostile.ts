/** Words of both protocols for tests that speak them badly, and what an answer says. */

/** Fields of a Postgres startup packet; a length that is not its own, where one is given. */
export function startup(body: Buffer, length = body.length + 4): Buffer {
  const word = Buffer.alloc(4);
  word.writeUInt32BE(length >>> 0);
  return Buffer.concat([word, body]);
}

const version3 = Buffer.from('00030000', 'hex');

/** `user`, `ann`, `database`, `orders` … each with its NUL, and the NUL that ends them all. */
export function parameters(...texts: readonly (string | Buffer)[]): Buffer {
  const parts = texts.map((text) => Buffer.concat([Buffer.from(text), Buffer.of(0)]));
  return Buffer.concat([version3, ...parts, Buffer.of(0)]);
}

export const sslRequest = Buffer.from('0000000804d2162f', 'hex');

/** A MySQL packet; a length that is not its own, where one is given. */
export function packet(sequence: number, body: Buffer, length = body.length): Buffer {
  const head = Buffer.alloc(4);
  head.writeUIntLE(length & 0xffffff, 0, 3);
  head[3] = sequence;
  return Buffer.concat([head, body]);
}

export const capability = {
  connectWithDb: 0x8,
  protocol41: 0x200,
  ssl: 0x800,
  secureConnection: 0x8000,
  pluginAuth: 0x80000,
  connectAttrs: 0x100000,
} as const;

const usual =
  capability.protocol41 | capability.secureConnection | capability.pluginAuth | capability.connectWithDb;

function head(flags: number, charset: number): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32LE(flags >>> 0, 0);
  bytes.writeUInt32LE(0x1000000, 4);
  bytes[8] = charset;
  return bytes;
}

export function mysqlSslRequest(flags = usual | capability.ssl): Buffer {
  return packet(1, head(flags, 45));
}

export interface Response {
  readonly flags?: number;
  readonly charset?: number;
  readonly user?: string | Buffer;
  /** With its length in front. */
  readonly auth?: Buffer;
  /** What follows the authentication data. */
  readonly rest?: Buffer;
  readonly sequence?: number;
}

/** A HandshakeResponse41, sound but for what is given. */
export function handshakeResponse({
  flags = usual | capability.ssl,
  charset = 45,
  user = 'ann',
  auth = Buffer.concat([Buffer.of(20), Buffer.alloc(20, 7)]),
  rest = Buffer.from('reports\0mysql_native_password\0'),
  sequence = 2,
}: Response = {}): Buffer {
  return packet(sequence, Buffer.concat([head(flags, charset), Buffer.from(user), Buffer.of(0), auth, rest]));
}

/** What a client was told: a SQLSTATE, an errno, nothing at all, or the beginning of something else. */
export function answerOf(bytes: Buffer): string {
  if (bytes.length === 0) return 'nothing';
  // The answer to a TLS request, and what came behind it in clear.
  if (bytes[0] === 'S'.charCodeAt(0)) return `S, ${answerOf(bytes.subarray(1))}`;
  const sqlState = /^E[\s\S]{4}(?:S[^\0]*\0)?(?:V[^\0]*\0)?C([0-9A-Z]{5})\0/.exec(
    bytes.toString('latin1'),
  )?.[1];
  if (sqlState !== undefined) return sqlState;
  if (bytes.length > 7 && bytes[4] === 0xff) return `${bytes.readUInt16LE(5)}`;
  return `0x${bytes.subarray(0, 8).toString('hex')}`;
}
