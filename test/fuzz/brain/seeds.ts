/** What the brain's targets begin with: real specs, and messages as Envoy would send them. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { EnvoyApi } from '../../../xds-server/shells/envoy-api/envoy-api.js';
import { top } from '../target.js';

const text = (words: string): Buffer => Buffer.from(words);

export function specs(): Buffer[] {
  const golden = path.join(top, 'test/golden');
  const files = readdirSync(golden, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('spec.yaml'))
    .map((file) => path.join(golden, file));
  return files.map((file) => readFileSync(file));
}

/** An address or name, and a network. */
export const names = [
  ...['10.0.0.5\n10.0.0.0/8', '::ffff:10.0.0.5\n::ffff:0:0/96', '2001:db8::1\n2001:db8::/32'],
  ...[
    'checkout.orders.db.example.com',
    '*.db.example.com',
    'a.1',
    '127.0.0.1:18000',
    '[::1]:18080',
    '0.0.0.0:0',
  ],
].map(text);
/** Of `openssl req -x509 -newkey ed25519 -subj / -addext subjectAltName=URI:spiffe://a/b,DNS:c`. */
export const certificates = [
  'MIIBMDCB46ADAgECAhQZ9Psj6dJX/75cJrA7ycA9KUBQ7jAFBgMrZXAwADAeFw0yNjExMjIxNDEzMjhaFw0yNjEyMjIxNDEzMjhaMAAwKjAFBgMrZXADIQAkCUBi0I48ZDJgMFMGZE5scco2I8HqXGd+D85EbqkqnaNvMG0wHQYDVR0OBBYEFA9cTu9G43QSDqYnA5eiebuQHo19MB8GA1UdIwQYMBaAFA9cTu9G43QSDqYnA5eiebuQHo19MA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYYMc3BpZmZlOi8vYS9iggFjMAUGAytlcANBAJp+idG7Xq2Y91dDDW+o/4/n3kX7Hg8KDqPCDfFvYzI8x+X/t2XeuW2QByX1fJDqvWIZ+mY6FbZkD1HoFFStfAI=',
].map((body) =>
  text(encodeURIComponent(`-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`)),
);

function encoded(type: string, message: object): Buffer {
  const found = EnvoyApi.load().root.lookupType(type);
  return Buffer.from(found.encode(found.fromObject(message)).finish());
}

const socket = (address: string, port: number) => ({ socket_address: { address, port_value: port } });
const facts = {
  connection: { stringValue: '0123456789abcdef0123456789abcdef' },
  listener: { stringValue: 'pg' },
  protocol: { stringValue: 'postgres' },
  user: { stringValue: 'ann' },
  database: { stringValue: 'orders' },
  born_unix_ms: { numberValue: 1.7e12 },
  age_ms: { numberValue: 3 },
  monotonic_ms: { numberValue: 77_000 },
  server_id: { numberValue: 77 },
  server_closed: { boolValue: true },
};

export function checks(): Buffer[] {
  const attributes = {
    source: { address: socket('10.1.2.3', 4711), principal: 'CN=ann', certificate: 'pem' },
    destination: { address: socket('10.9.9.9', 5432) },
    tls_session: { sni: 'checkout.example.com' },
    metadata_context: { filter_metadata: { other: { fields: facts }, sluice: { fields: facts } } },
  };
  return [encoded('envoy.service.auth.v3.CheckRequest', { attributes })];
}

export function reports(): Buffer[] {
  return ['TcpUpstreamConnected', 'TcpPeriodic', 'TcpConnectionEnd'].map((type) => {
    const common_properties = {
      access_log_type: type,
      duration: { seconds: 2, nanos: 5e8 },
      downstream_remote_address: socket('2001:db8::7', 50_412),
      upstream_cluster: 'service/checkout',
      upstream_local_address: socket('10.1.0.1', 4711),
      upstream_remote_address: socket('::1', 5432),
      upstream_transport_failure_reason: 'delayed connect error: Connection refused',
      upstream_request_attempt_count: 1,
      metadata: {
        filter_metadata: {
          sluice: { fields: facts },
          'envoy.filters.network.ext_authz': { fields: { verdict: { stringValue: 'grant' } } },
        },
      },
    };
    const tcp_logs = { log_entry: [{ common_properties, connection_properties: { received_bytes: 10 } }] };
    return encoded('envoy.service.accesslog.v3.StreamAccessLogsMessage', { tcp_logs });
  });
}

export function requests(): Buffer[] {
  const type = 'envoy.service.discovery.v3';
  const framed = (flags: number, messages: readonly Buffer[]): Buffer =>
    Buffer.concat([
      Buffer.from([flags]),
      ...messages.flatMap((bytes) => [Buffer.from([bytes.length]), bytes]),
    ]);
  const delta = (message: object): Buffer => encoded(`${type}.DeltaDiscoveryRequest`, message);
  const sotw = (message: object): Buffer => encoded(`${type}.DiscoveryRequest`, message);
  return [
    framed(0, [
      delta({ resource_names_subscribe: ['*', 'a'], initial_resource_versions: { b: '1' } }),
      delta({ response_nonce: '1' }),
      Buffer.alloc(0),
      delta({ response_nonce: '2', error_detail: { message: 'cluster a: no' } }),
      delta({ resource_names_unsubscribe: ['a'], resource_names_subscribe: ['c'] }),
    ]),
    framed(3, [
      sotw({ resource_names: ['a', 'unknown.example.com'], version_info: '1' }),
      sotw({ resource_names: ['a'], response_nonce: '1', version_info: '1' }),
      Buffer.alloc(0),
      sotw({ resource_names: ['a'], response_nonce: '2', error_detail: { message: 'a' } }),
    ]),
  ];
}

/** Messages of one call behind each other: whole ones, one that is cut, compressed, or too large. */
export const calls = [
  '0000000003616263',
  '000000000000000000026869',
  '000000000361',
  '0100000001',
  '00ffffffff',
].map((hex) => Buffer.from(hex, 'hex'));
