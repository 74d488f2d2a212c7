/** HTTP/2 frames as bytes (RFC 9113, sections 4 and 6), and the constant header blocks of gRPC over them. */
import { encodeHeaders } from '../../pure/hpack/encode-headers.js';
import type { Status } from '../../pure/rpc/rpc.js';

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

export const ErrorCode = {
  noError: 0,
  protocolError: 1,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

export const Setting = {
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const frameHeadBytes = 9;
/** SETTINGS_MAX_FRAME_SIZE unless somebody says otherwise, and nobody here does. */
export const defaultFrameBytes = 16_384;
export const defaultWindowBytes = 65_535;
export const maxWindowBytes = 0x7fff_ffff;

/** Length-prefix of a gRPC message: not compressed, then its size. */
export const messageHeadBytes = 5;

/** @returns the position behind it */
export function writeFrameHead(
  into: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): number {
  into[at] = length >>> 16;
  into[at + 1] = length >>> 8;
  into[at + 2] = length;
  into[at + 3] = type;
  into[at + 4] = flags;
  into[at + 5] = stream >>> 24;
  into[at + 6] = stream >>> 16;
  into[at + 7] = stream >>> 8;
  into[at + 8] = stream;
  return at + frameHeadBytes;
}

export function writeMessageHead(into: Buffer, at: number, length: number): number {
  into[at] = 0;
  into[at + 1] = length >>> 24;
  into[at + 2] = length >>> 16;
  into[at + 3] = length >>> 8;
  into[at + 4] = length;
  return at + messageHeadBytes;
}

export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeadBytes + payload.length);
  bytes.set(payload, writeFrameHead(bytes, 0, payload.length, type, flags, stream));
  return bytes;
}

function numbers(type: number, stream: number, ...values: readonly number[]): Buffer {
  const payload = Buffer.allocUnsafe(4 * values.length);
  for (const [index, value] of values.entries()) payload.writeUInt32BE(value, 4 * index);
  return frame(type, 0, stream, payload);
}

export const windowUpdate = (stream: number, bytes: number): Buffer =>
  numbers(FrameType.windowUpdate, stream, bytes);

export const rstStream = (stream: number, code: ErrorCode): Buffer =>
  numbers(FrameType.rstStream, stream, code);

export const goaway = (lastStream: number, code: ErrorCode): Buffer =>
  numbers(FrameType.goaway, 0, lastStream, code);

export const settingsAck: Buffer = frame(FrameType.settings, Flag.ack, 0, Buffer.alloc(0));

export function settings(values: Readonly<Record<number, number>>): Buffer {
  const entries = Object.entries(values);
  const payload = Buffer.allocUnsafe(6 * entries.length);
  for (const [index, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(Number(id), 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  }
  return frame(FrameType.settings, 0, 0, payload);
}

const responseHead = [
  { name: ':status', value: '200' },
  { name: 'content-type', value: 'application/grpc' },
];

/** What an answer begins with. */
export const headersBlock: Uint8Array = encodeHeaders(responseHead);

/** What ends an answer that was given in full. */
export const okBlock: Uint8Array = encodeHeaders([{ name: 'grpc-status', value: '0' }]);

/** @param isAll nothing was sent before, so the answer's head is in it as well */
export function statusBlock(status: Status, details: string, isAll: boolean): Uint8Array {
  return encodeHeaders([
    ...(isAll ? responseHead : []),
    { name: 'grpc-status', value: String(status) },
    ...(details === '' ? [] : [{ name: 'grpc-message', value: percentEncoded(details) }]),
  ]);
}

/** Of a call that is no gRPC at all. */
export const unsupportedBlock: Uint8Array = encodeHeaders([{ name: ':status', value: '415' }]);

/** gRPC over HTTP/2, Status-Message: printable ASCII without % as it is. */
function percentEncoded(text: string): string {
  return [...Buffer.from(text.slice(0, 1000))]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');
}
