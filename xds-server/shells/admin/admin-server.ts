/**
 * The admin API: what the brain knows, as JSON, as metrics and as one page. It only answers questions; nothing can
 * be changed here. Loopback only, because nobody is asked who he is yet.
 */
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { formatAddress } from '../../pure/plan/address.js';
import { isLoopback } from '../../pure/spec/ip.js';
import type { Page, SessionStatus, Status, WaiterStatus } from '../../pure/status/status.js';
import { StatusPage } from './status-page.js';

export interface Address {
  /** An IP address, IPv6 without brackets. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** Which part of a list is asked for. */
export interface Range {
  readonly limit: number;
  readonly offset: number;
}

/** What the brain says of itself. Called for each request: answers must be cheap and bounded by `range`. */
export interface StatusSource {
  status(): Status;
  sessions(range: Range): Page<SessionStatus>;
  waiting(range: Range): Page<WaiterStatus>;
  /** What is still missing before clients can be served; empty when nothing is. */
  missing(): readonly string[];
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}

const maxRows = 1000;
const defaultRows = 100;

/**
 * A page of another site may be made to resolve to loopback (DNS rebinding) and then read all of this; its requests
 * carry that site's name.
 */
function namesThisMachine(hostHeader: string | undefined): boolean {
  const host = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d+)?$/i.exec(hostHeader ?? '');
  const name = host?.[1] ?? host?.[2];
  return name !== undefined && (name.toLowerCase() === 'localhost' || isLoopback(name));
}

export class AdminServer {
  readonly #app: FastifyInstance;
  /** Where it listens, with the port that was really taken. */
  readonly address: Address;

  private constructor(app: FastifyInstance, address: Address) {
    this.#app = app;
    this.address = address;
  }

  /** @throws when `address` is not loopback or is taken. */
  static async listen(address: Address, source: StatusSource): Promise<AdminServer> {
    if (!isLoopback(address.host))
      throw new Error(
        `the admin API asks nobody who he is, so it listens on loopback only: expected 127.0.0.1 or ::1, found ${address.host}`,
      );
    const app = fastify({ bodyLimit: 1024, requestTimeout: 10_000, forceCloseConnections: true });
    routes(app, source, await StatusPage.load());
    await app.listen({ host: address.host, port: address.port }).catch((error: Error) => {
      throw new Error(`cannot serve operators at ${formatAddress(address)} (--admin): ${error.message}`);
    });
    const bound = app.server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the admin API has no TCP address');
    return new AdminServer(app, { host: address.host, port: bound.port });
  }

  async close(): Promise<void> {
    await this.#app.close();
  }
}

function routes(app: FastifyInstance, source: StatusSource, page: StatusPage): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    if (namesThisMachine(request.headers.host)) return;
    await refuse(reply, 421, 'expected a Host that is this machine (localhost, 127.0.0.1, [::1])');
  });
  app.setNotFoundHandler((request, reply) =>
    refuse(reply, 404, `nothing here: ${request.method} ${request.url.slice(0, 200)}`),
  );

  app.get('/', (_request, reply) => reply.headers(page.headers).send(page.html));
  app.get('/status', () => source.status());
  app.get('/healthz', () => ({ alive: true }));
  app.get('/readyz', (_request, reply) => {
    const missing = source.missing();
    return reply.code(missing.length === 0 ? 200 : 503).send({ ready: missing.length === 0, missing });
  });
  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await source.metrics();
    return reply.header('content-type', contentType).send(text);
  });
  const lists: Record<string, (range: Range) => Page<unknown>> = {
    '/sessions': (range) => source.sessions(range),
    '/waiting': (range) => source.waiting(range),
  };
  for (const [path, list] of Object.entries(lists))
    app.get(path, (request, reply) => {
      const range = readRange(request.query as Record<string, unknown>);
      return typeof range === 'string' ? refuse(reply, 400, range) : list(range);
    });
}

/** @returns what is wrong, in words, instead of a range. */
function readRange(query: Record<string, unknown>): Range | string {
  const { limit = `${defaultRows}`, offset = '0', ...others } = query;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) return `expected limit and offset, found ${unknown.slice(0, 40)}`;
  if (typeof limit !== 'string' || !/^\d{1,4}$/.test(limit) || +limit < 1 || +limit > maxRows)
    return `limit: expected 1 to ${maxRows}`;
  if (typeof offset !== 'string' || !/^\d{1,9}$/.test(offset)) return 'offset: expected a number from 0';
  return { limit: +limit, offset: +offset };
}

function refuse(reply: FastifyReply, status: number, error: string): FastifyReply {
  return reply.code(status).send({ error });
}
