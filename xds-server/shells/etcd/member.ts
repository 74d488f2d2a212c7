/** One member of etcd: a connection when it is needed, calls that end in time. */
import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { EtcdError } from './etcd-error.js';

/** PEM. */
export interface EtcdCredentials {
  readonly ca: Buffer;
  readonly certificate?: Buffer;
  readonly key?: Buffer;
}

export interface MemberOptions {
  /** Read for each new connection, so that renewed files are taken. Without it there is no TLS. @throws when unreadable */
  readonly credentials?: () => EtcdCredentials;
}

const options: ChannelOptions = {
  // What one member hears from another client is not ours, and a proxy is not meant for this.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  // etcd ends connections that are asked more often than each 5 s (--grpc-keepalive-min-time).
  'grpc.keepalive_time_ms': 6_000,
  'grpc.keepalive_timeout_ms': 2_000,
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.min_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // etcd's own bound of a request is 1.5 MiB unless it is told otherwise.
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
};

const asIs = (bytes: Buffer): Buffer => bytes;

export class Member {
  #client: Client | undefined;

  constructor(
    readonly endpoint: string,
    private readonly options: MemberOptions,
  ) {}

  /** @throws EtcdError */
  call<Answer>(
    path: string,
    message: Buffer,
    decode: (bytes: Buffer) => Answer,
    timeoutMs: number,
  ): Promise<Answer> {
    return this.#inTime(timeoutMs, (settle) => {
      const call = this.#connected().makeUnaryRequest(
        path,
        asIs,
        decode,
        message,
        new Metadata(),
        (error, answer) => (error ? settle.reject(error) : settle.resolve(answer!)),
      );
      return () => call.cancel();
    });
  }

  /** One message each way on a stream of its own. @throws EtcdError */
  exchange<Answer>(
    path: string,
    message: Buffer,
    decode: (bytes: Buffer) => Answer,
    timeoutMs: number,
  ): Promise<Answer> {
    return this.#inTime(timeoutMs, (settle) => {
      const stream = this.#connected().makeBidiStreamRequest(path, asIs, decode);
      stream.on('data', settle.resolve);
      stream.on('error', settle.reject);
      stream.on('end', () => settle.reject(new EtcdError('unavailable', `${this.endpoint}: no answer`)));
      stream.write(message);
      return () => stream.cancel();
    });
  }

  /** A stream that lasts. @throws EtcdError when the credentials can't be read */
  open<Question, Answer>(
    path: string,
    encode: (message: Question) => Buffer,
    decode: (bytes: Buffer) => Answer,
  ): ClientDuplexStream<Question, Answer> {
    return this.#connected().makeBidiStreamRequest(path, encode, decode);
  }

  /**
   * The next call makes a new connection. Not for a member that is only silent: gRPC's close waits for the other end, and
   * would keep a socket for each. Its own pings find out, and connect again.
   */
  disconnect(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  #connected(): Client {
    this.#client ??= new Client(this.endpoint, this.#credentials(), options);
    return this.#client;
  }

  #credentials() {
    if (!this.options.credentials) return credentials.createInsecure();
    try {
      const { ca, certificate, key } = this.options.credentials();
      return credentials.createSsl(ca, key ?? null, certificate ?? null);
    } catch (error) {
      throw new EtcdError('unavailable', `${this.endpoint}: ${(error as Error).message}`);
    }
  }

  /** By a timer of this process: gRPC's own deadlines are times of day, and a clock that is set would move them. */
  async #inTime<Answer>(
    timeoutMs: number,
    begin: (settle: { resolve(answer: Answer): void; reject(error: Error): void }) => () => void,
  ): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    let cancel: (() => void) | undefined;
    try {
      return await new Promise<Answer>((resolve, reject) => {
        timer = setTimeout(() => {
          reject(new EtcdError('timeout', `${this.endpoint}: no answer within ${timeoutMs} ms`));
        }, timeoutMs);
        cancel = begin({ resolve, reject: (error) => reject(this.error(error)) });
      });
    } finally {
      clearTimeout(timer);
      cancel?.();
    }
  }

  error(error: Error): EtcdError {
    if (error instanceof EtcdError) return error;
    const { code, details } = error as ServiceError;
    return new EtcdError(kindOf(code, details), `${this.endpoint}: ${why(details) || error.message}`);
  }
}

/** gRPC wraps what the connection's own error says into words of its own. */
function why(details: string | undefined): string | undefined {
  const [, cause] =
    /^No connection established\. Last error: (?:Error: )?(.+?)\.? Resolution note:/.exec(details ?? '') ??
    [];
  return cause ?? details;
}

/** No quorum, or a member that stops, is told by UNAVAILABLE; one that lags or is new by the others. */
function kindOf(code: status | undefined, details: string | undefined): EtcdError['kind'] {
  switch (code) {
    case status.UNAVAILABLE:
    case status.CANCELLED:
    case status.UNKNOWN:
    case status.INTERNAL:
    case undefined:
      return 'unavailable';
    case status.DEADLINE_EXCEEDED:
      return 'timeout';
    default:
      return /request timed out|leader/.test(details ?? '') ? 'unavailable' : 'refused';
  }
}
