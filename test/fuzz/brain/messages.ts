/** Targets: what nodes send. */
import { strict as assert } from 'node:assert';
import type protobuf from 'protobufjs';
import { type Resource, TypeUrl } from '../../../xds-server/pure/snapshot/snapshot.js';
import { nextTurn } from '../../../xds-server/pure/subscription/order.js';
import { Subscription } from '../../../xds-server/pure/subscription/subscription.js';
import { readCheck } from '../../../xds-server/shells/authz/check-request.js';
import { EnvoyApi } from '../../../xds-server/shells/envoy-api/envoy-api.js';
import { readLogEntries } from '../../../xds-server/shells/sessions/log-entry.js';
import { ledgerEventOf } from '../../../xds-server/shells/sessions/report.js';
import {
  adsMethods,
  deltaRequestOf,
  ResponseEncoder,
  sotwRequestOf,
} from '../../../xds-server/shells/xds/wire.js';

const api = EnvoyApi.load();
const checkType = api.root.lookupType('envoy.service.auth.v3.CheckRequest');
const logType = api.root.lookupType('envoy.service.accesslog.v3.StreamAccessLogsMessage');

// biome-ignore lint/suspicious/noExplicitAny: what protobufjs decodes has no static type; each use is compared.
type Decoded = any;

/**
 * The message, and its bytes as Envoy would write them: each field once, in order. `undefined` where protobufjs, which
 * decodes all of it, finds something wrong.
 */
function decoded(
  type: protobuf.Type,
  bytes: Buffer,
): { message: Decoded; canonical: Uint8Array } | undefined {
  try {
    const message = type.decode(bytes);
    const canonical = type.encode(message).finish();
    return { message: type.decode(canonical), canonical };
  } catch {
    return undefined;
  }
}

/** What a reader of single fields may throw: that the bytes are no message. */
function tolerated<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const isExpected =
      error instanceof RangeError ||
      (error instanceof Error && /^(index out of range|invalid )/.test(error.message));
    if (!isExpected) throw error;
    return undefined;
  }
}

/** A flat struct of `metadata`, as the oneof of each value says it. */
function factsOf(metadata: Decoded, namespace: string): Map<string, unknown> {
  const facts = new Map<string, unknown>();
  const struct = metadata?.filter_metadata?.[namespace];
  for (const [name, value] of Object.entries<Decoded>(struct?.fields ?? {})) {
    const own = (key: string): boolean => Object.hasOwn(value, key);
    if (own('boolValue')) facts.set(name, value.boolValue);
    else if (own('stringValue')) facts.set(name, value.stringValue);
    else if (own('numberValue')) facts.set(name, value.numberValue);
  }
  return facts;
}

const optional = (message: Decoded, key: string): Decoded =>
  message && Object.hasOwn(message, key) ? message[key] : undefined;

/** A check is read as protobufjs reads it, whatever it holds; other bytes are refused or malformed. */
export function check(input: Buffer): void {
  tolerated(() => readCheck(input));
  const whole = decoded(checkType, input);
  if (!whole) return;
  const read = readCheck(whole.canonical);
  if (!read) return;
  const { attributes } = whole.message;
  const facts = factsOf(attributes.metadata_context, 'sluice');
  for (const [name, value] of Object.entries({
    connection: read.connection,
    listener: read.listener,
    born_unix_ms: read.bornUnixMs,
    age_ms: read.ageMs,
    monotonic_ms: read.monotonicMs,
  }))
    assert.deepEqual(value, facts.get(name), name);
  for (const [name, value] of Object.entries({ user: read.user, database: read.database })) {
    const fact = facts.get(name);
    assert.equal(value, typeof fact === 'string' ? fact : undefined, name);
  }
  assert.match(read.connection, /^[0-9a-f]{32}$/);
  assert.equal(read.tls, optional(attributes, 'tls_session') != null);
  assert.equal(read.serverName, optional(attributes.tls_session, 'sni'));
  assert.equal(read.address, addressOf(optional(attributes.source, 'address'))?.host ?? '');
  assert.equal(read.certificate, optional(attributes.source, 'certificate'));
}

function addressOf(address: Decoded): { host: string; port: number } | undefined {
  const socket = optional(address, 'socket_address');
  const host = socket?.address ?? '';
  // No IP address is longer, with its interface.
  return host === '' || host.length > 64 ? undefined : { host, port: socket.port_value };
}

const kinds = ['other', 'connected', 'periodic', 'end'];

/** A report is read as protobufjs reads it, and whatever it says is an event or none. */
export function report(input: Buffer): void {
  for (const entry of tolerated(() => readLogEntries(input)) ?? []) ledgerEventOf(entry, 'edge-1');
  const whole = decoded(logType, input);
  if (!whole) return;
  const entries: Decoded[] = whole.message.tcp_logs?.log_entry ?? [];
  const read = readLogEntries(whole.canonical);
  assert.equal(read.length, entries.length);
  for (const [at, entry] of entries.entries()) {
    const common = optional(entry, 'common_properties');
    const one = read[at]!;
    const address = (key: string): string | undefined => {
      const found = addressOf(optional(common, key));
      return (
        found && (found.host.includes(':') ? `[${found.host}]:${found.port}` : `${found.host}:${found.port}`)
      );
    };
    assert.equal(one.type, kinds[common?.access_log_type ?? 0] ?? 'other');
    assert.deepEqual(one.client, addressOf(optional(common, 'downstream_remote_address')));
    assert.equal(one.cluster, optional(common, 'upstream_cluster'));
    assert.equal(one.upstreamLocal, address('upstream_local_address'));
    assert.equal(one.upstreamRemote, address('upstream_remote_address'));
    assert.equal(one.failure, optional(common, 'upstream_transport_failure_reason'));
    assert.equal(one.attempts, common?.upstream_request_attempt_count ?? 0);
    assert.deepEqual(new Map(one.facts), factsOf(common?.metadata, 'sluice'));
    assert.deepEqual(new Map(one.verdict), factsOf(common?.metadata, 'envoy.filters.network.ext_authz'));
    ledgerEventOf(one, 'edge-1');
  }
}

const decoders = adsMethods(api);
const responses = { delta: 'DeltaDiscoveryResponse', sotw: 'DiscoveryResponse' } as const;
const encoder = new ResponseEncoder();

/**
 * Requests, each a length byte and its bytes; a length of 0 publishes the next set. Whatever a node asks and answers, it is
 * owed a bounded number of responses, each of them one that it can read.
 */
export function discovery(input: Buffer): void {
  const flags = input[0] ?? 0;
  const variant = (flags & 1) === 0 ? 'delta' : 'sotw';
  const typeUrl = (flags & 2) === 0 ? TypeUrl.cluster : TypeUrl.secret;
  const { decode } = decoders[variant];
  const type = api.root.lookupType(`envoy.service.discovery.v3.${responses[variant]}`);
  const subscription = new Subscription(typeUrl, variant, { maxFallbacks: 4, maxUpdateBytes: 512 });
  const all = new Map([[typeUrl, subscription]]);
  let version = 0;
  const publish = (): void => {
    version += 1;
    const there = names.filter((_, at) => (version + at) % 3 > 0);
    const resources = new Map(there.map((name) => [name, resource(name, version)]));
    const fallback = typeUrl === TypeUrl.secret && { fallback: (name: string) => resource(name, 0) };
    subscription.publish({ version: `${version}`, resources, ...fallback }, names);
  };
  publish();
  for (let at = 1; at < input.length; ) {
    const length = input[at]!;
    const bytes = input.subarray(at + 1, at + 1 + length);
    at += 1 + length;
    if (length === 0) publish();
    else {
      const request = deserialized(decode, bytes);
      if (!request) continue;
      if (variant === 'delta') subscription.requestDelta(deltaRequestOf(request));
      else subscription.requestSotw(sotwRequestOf(request));
    }
    let sent = 0;
    for (let turn = nextTurn(all); turn !== undefined; turn = nextTurn(all)) {
      const update = subscription.next(turn.phase);
      const read: Decoded = type.decode(encoder.encode(variant, typeUrl, update));
      assert.equal(read.nonce, update.nonce);
      assert.equal(read.resources.length, update.resources.length);
      sent += 1;
      assert.ok(sent <= 16, 'a node is sent responses without end');
    }
    assert.ok(subscription.inFlight <= 4 && subscription.size <= input.length);
  }
}

/** The channel refuses the call whatever is thrown here, a TypeError of protobufjs at a map's entry without a value too. */
function deserialized(decode: (bytes: Uint8Array) => unknown, bytes: Buffer): Decoded {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

const names = ['a', 'b', 'c', 'service/checkout'];

function resource(name: string, version: number): Resource {
  return { name, version: `${version}`, bytes: Buffer.alloc(200, 'x'), owner: `services.${name}` };
}
