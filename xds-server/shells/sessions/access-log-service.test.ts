import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageReader, messageHeadBytes } from '../../pure/rpc/message-reader.js';
import { EnvoyApi } from '../envoy-api/envoy-api.js';
import { AccessLogService } from './access-log-service.js';
import { type LogEntry, readLogEntries } from './log-entry.js';

const type = EnvoyApi.load().root.lookupType('envoy.service.accesslog.v3.StreamAccessLogsMessage');

test('of what a node has kept, no more is decoded at once than has come at once, and all of it in the end', () => {
  const log_entry = Array.from({ length: 30_000 }, (_, index) => ({
    common_properties: { access_log_type: 3, upstream_cluster: `service/${index}` },
  }));
  const identifier = { log_name: 'sluice', node: { id: 'edge-1' } };
  const message = type.encode(type.fromObject({ identifier, tcp_logs: { log_entry } })).finish();
  const bytes = Buffer.concat([Buffer.alloc(messageHeadBytes), message]);
  bytes.writeUInt32BE(message.length, 1);

  const { method } = new AccessLogService({
    maxMessageBytes: 1 << 20,
    tell: () => undefined,
    cutOff: () => undefined,
  });
  const { records } = method;
  const reader = new MessageReader(method.maxMessageBytes, { ...(records && { records }) });
  const entries: LogEntry[] = [];
  const frame = 16_384;
  for (let at = 0; at < bytes.length; at += frame) {
    const before = entries.length;
    const unreadable = reader.push(bytes.subarray(at, at + frame), (piece, isPiece) => {
      entries.push(...(isPiece ? records! : method).decode(piece));
      return true;
    });
    assert.equal(unreadable, undefined);
    assert.ok(entries.length - before < 1_000, `${entries.length - before} at once`);
  }
  assert.equal(entries.length, 30_000);
  assert.deepEqual(entries, readLogEntries(message));
});
