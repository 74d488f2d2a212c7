/**
 * What the periodic reports of open sessions cost the brain: bytes on the wire and processor time an entry, from the bytes
 * of the message to the ledger, and what 100,000 sessions come to at the interval that ships.
 *
 *   node --import tsx test/bench/reports.ts      a JSON line
 */
import { ActivityBook } from '../../xds-server/pure/activity/activity-book.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import { defaultSettings, recoveryMs } from '../../xds-server/pure/ledger/settings.js';
import { reportIntervalMs } from '../../xds-server/pure/snapshot/listener.js';
import { EnvoyApi } from '../../xds-server/shells/envoy-api/envoy-api.js';
import { readLogEntries } from '../../xds-server/shells/sessions/log-entry.js';
import { newsOf } from '../../xds-server/shells/sessions/report.js';
import { sketch } from '../simulation/sketch.js';

const sessions = 100_000;
/** As many as travel together when a node with a thousand sessions reports them. */
const entriesAtOnce = 20;
const rounds = 3;

const type = EnvoyApi.load().root.lookupType('envoy.service.accesslog.v3.StreamAccessLogsMessage');
const text = (value: string) => ({ stringValue: value });
const number = (value: number) => ({ numberValue: value });

/** What Envoy says of an open Postgres session that has worked. */
function entry(n: number): object {
  const connection = n.toString(16).padStart(32, '0');
  const facts = {
    connection: text(connection),
    protocol: text('postgres'),
    server_id: number(n),
    login: text('ok'),
    cancel_digest: text('5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8'),
    monotonic_ms: number(1_234_567),
    age_ms: number(35_000),
    activity: text('idle 17 42 0 350000 120000 0,0,3,5,9,0,0,0,0,0,0'),
  };
  const verdict = { verdict: text('grant'), connection: text(connection), cluster: text('service/checkout') };
  const address = (host: string, port: number) => ({ socket_address: { address: host, port_value: port } });
  return {
    common_properties: {
      access_log_type: 2,
      duration: { seconds: 35, nanos: 0 },
      downstream_remote_address: address(`10.2.${(n >> 8) & 255}.${n & 255}`, 50_000 + (n >> 16)),
      upstream_cluster: 'service/checkout',
      upstream_local_address: address(`10.1.${(n >> 8) & 255}.${n & 255}`, 40_000 + (n >> 16)),
      upstream_remote_address: address('10.0.0.5', 5432),
      metadata: {
        filter_metadata: {
          sluice: { fields: facts },
          'envoy.filters.network.ext_authz': { fields: verdict },
        },
      },
    },
    connection_properties: { received_bytes: 1000, sent_bytes: 2000 },
  };
}

const ledger = new Ledger(defaultSettings);
const activity = new ActivityBook(0);
const target = 'orders/primary';
const plan = sketch({
  targets: { [target]: { budget: sessions } },
  services: { checkout: { maxConnections: sessions, target } },
});
ledger.apply({ kind: 'plan', plan }, 0);
let nowMs = recoveryMs(defaultSettings);
const observed = { kind: 'observed', target, askedAtMs: nowMs, sessions: [], own: [] } as const;
ledger.apply({ ...observed, listsLogins: true, loginTimeoutMs: 60_000 }, nowMs);

const messages: Uint8Array[] = [];
for (let first = 0; first < sessions; first += entriesAtOnce) {
  const log_entry = Array.from({ length: entriesAtOnce }, (_, i) => entry(first + i));
  messages.push(type.encode(type.fromObject({ tcp_logs: { log_entry } })).finish());
}

function take(bytes: Uint8Array): void {
  for (const read of readLogEntries(bytes)) {
    const news = newsOf(read, 'n1');
    if (!news) throw new Error('expected an entry of concern, found none');
    ledger.apply(news.event, nowMs);
    if (news.work) activity.take({ ...news.work, connection: news.event.connection }, nowMs);
  }
}

/** The first time takes the sessions in, the second is for the compiler. */
const seconds: number[] = [];
for (let round = -2; round < rounds; round += 1) {
  nowMs += reportIntervalMs;
  const started = process.cpuUsage();
  for (const message of messages) take(message);
  const { user, system } = process.cpuUsage(started);
  if (round >= 0) seconds.push((user + system) / 1e6);
}
const least = Math.min(...seconds);
const bytes = messages.reduce((sum, message) => sum + message.length, 0) / sessions;
const cores = least / (reportIntervalMs / 1000);
process.stdout.write(
  `${JSON.stringify({
    name: 'periodic reports',
    sessions,
    interval_ms: reportIntervalMs,
    bytes_an_entry: Math.round(bytes),
    us_an_entry: Number(((least * 1e6) / sessions).toFixed(2)),
    cores: Number(cores.toFixed(3)),
    megabits_a_second: Number(((bytes * sessions * 8) / 1e6 / (reportIntervalMs / 1000)).toFixed(1)),
  })}\n`,
);
