/**
 * What a decision costs on top of an empty service on the same stack: checks as Envoy sends them, one after the other
 * as they come at some hundred connections a second, alternating between the two.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import path from 'node:path';
import { EnvoyApi } from '../../xds-server/shells/envoy-api/envoy-api.js';
import { atEnd } from '../harness/ending.js';
import { type Ended, hostname } from './decision-server.js';
import { cpuMs } from './process-cost.js';
import { type Comparison, compare, median, percentile } from './statistics.js';

/** Ours and the constant answer's. */
export interface Decision {
  /** Processor time of the process for one check, in µs. */
  readonly cpu: Comparison;
  /** From sending a check to its answer, in ms: median of each round. */
  readonly trip: Comparison;
  readonly tripP99: number;
}

/** Compiled, as the brain is where it is installed (setup/decision-server.sh). */
const server = path.resolve(import.meta.dirname, '../../build/bench/test/bench/decision-server.js');
const warmUp = 5_000;

export async function decision(rounds: number, checks: number): Promise<Decision> {
  const [decided, constant] = [await Asker.start('decided'), await Asker.start('constant')];
  for (const asker of [decided, constant]) await asker.ask(warmUp);
  const asked = { decided: [] as Asked[], constant: [] as Asked[] };
  for (let round = 0; round < rounds; round++) {
    asked.decided.push(await decided.ask(checks));
    asked.constant.push(await constant.ask(checks));
  }
  for (const asker of [decided, constant]) asker.stop();
  const compared = (figure: (of: Asked) => number): Comparison =>
    compare(asked.decided.map(figure), asked.constant.map(figure));
  return {
    cpu: compared(({ cpuUs }) => cpuUs),
    trip: compared(({ latenciesMs }) => percentile(latenciesMs, 0.5)),
    tripP99: median(asked.decided.map(({ latenciesMs }) => percentile(latenciesMs, 0.99))),
  };
}

interface Asked {
  readonly cpuUs: number;
  readonly latenciesMs: readonly number[];
}

class Asker {
  readonly #child: ChildProcess;
  readonly #session: ClientHttp2Session;

  private constructor(child: ChildProcess, session: ClientHttp2Session) {
    this.#child = child;
    this.#session = session;
  }

  static async start(kind: 'decided' | 'constant'): Promise<Asker> {
    const child = fork(server, [kind], { execArgv: [] });
    await atEnd(async () => child.kill());
    const [port] = (await once(child, 'message')) as [number];
    return new Asker(child, connect(`http://127.0.0.1:${port}`));
  }

  async ask(checks: number): Promise<Asked> {
    const latenciesMs: number[] = [];
    const connections = Array.from({ length: checks }, () => randomBytes(16).toString('hex'));
    const before = cpuMs(this.#child.pid!);
    for (const connection of connections) {
      const check = checkOf(connection);
      const started = performance.now();
      await this.#call(check);
      latenciesMs.push(performance.now() - started);
    }
    const cpuUs = ((cpuMs(this.#child.pid!) - before) * 1000) / checks;
    this.#child.send({ ended: connections } satisfies Ended);
    await once(this.#child, 'message');
    return { cpuUs, latenciesMs };
  }

  #call(message: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': '/envoy.service.auth.v3.Authorization/Check',
        'content-type': 'application/grpc',
        te: 'trailers',
        'x-sluice-node': 'bench',
        'x-envoy-expected-rq-timeout-ms': '660000',
      });
      const answer: Buffer[] = [];
      let status: unknown;
      stream.on('data', (chunk: Buffer) => answer.push(chunk));
      stream.once('trailers', (trailers) => {
        status = trailers['grpc-status'];
      });
      stream.once('error', reject);
      stream.once('close', () => {
        const said = Buffer.concat(answer).toString('latin1');
        if (status === '0' && said.includes('grant')) resolve();
        else reject(new Error(`expected a grant, found status ${status} and: ${said}`));
      });
      stream.end(message);
    });
  }

  stop(): void {
    this.#session.close();
    this.#child.disconnect();
  }
}

const CheckRequest = EnvoyApi.load().root.lookupType('envoy.service.auth.v3.CheckRequest');

/** As Envoy with the filters of this project sends it, with the length in front. */
function checkOf(connection: string): Buffer {
  const address = (host: string, port: number) => ({
    address: { socket_address: { address: host, port_value: port } },
  });
  const monotonic = performance.now();
  const text = (stringValue: string) => ({ stringValue });
  const number = (numberValue: number) => ({ numberValue });
  const fields = {
    connection: text(connection),
    listener: text('pg'),
    protocol: text('postgres'),
    user: text('ann'),
    database: text('orders'),
    application_name: text('checkout'),
    born_unix_ms: number(performance.timeOrigin + monotonic - 2),
    age_ms: number(2),
    monotonic_ms: number(monotonic),
  };
  const message = CheckRequest.encode(
    CheckRequest.fromObject({
      attributes: {
        source: address('10.1.2.3', 40_000),
        destination: address('10.1.0.1', 5432),
        tls_session: { sni: hostname },
        metadata_context: { filter_metadata: { sluice: { fields } } },
      },
    }),
  ).finish();
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}
