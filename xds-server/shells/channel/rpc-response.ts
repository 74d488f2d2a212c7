/** What a call is answered on its HTTP/2 stream: the head with the first message, messages in gRPC's framing, the trailers. */
import { constants, type ServerHttp2Stream } from 'node:http2';
import { messageHeadBytes } from '../../pure/rpc/message-reader.js';
import { Status } from '../../pure/rpc/rpc.js';

const headers = { ':status': 200, 'content-type': 'application/grpc' } as const;
const nothing = Buffer.alloc(0);

export class RpcResponse {
  readonly #stream: ServerHttp2Stream;
  #trailers: Record<string, string> = { 'grpc-status': '0' };

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  send(message: Uint8Array, taken: () => void): void {
    this.#begin();
    this.#stream.write(framed(message), taken);
  }

  /** The only message, or the last one. */
  reply(message: Uint8Array): void {
    this.#begin();
    this.#stream.end(framed(message));
  }

  /** @param isComplete whether the caller has sent all that it will */
  end(status: Status, details: string, isComplete: boolean): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    const trailers = {
      'grpc-status': String(status),
      ...(details && { 'grpc-message': percentEncoded(details) }),
    };
    if (!stream.headersSent) {
      stream.respond({ ...headers, ...trailers }, { endStream: true });
      if (!isComplete) stream.close(constants.NGHTTP2_NO_ERROR);
      return;
    }
    this.#trailers = trailers;
    if (status === Status.ok) stream.end();
    else stream.end(nothing);
  }

  #begin(): void {
    const stream = this.#stream;
    if (stream.headersSent || stream.destroyed) return;
    stream.on('wantTrailers', () => stream.sendTrailers(this.#trailers));
    stream.respond(headers, { waitForTrailers: true });
  }
}

function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(messageHeadBytes + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, messageHeadBytes);
  return bytes;
}

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
