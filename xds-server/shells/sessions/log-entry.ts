/**
 * envoy.data.accesslog.v3.TCPAccessLogEntry as this brain reads it, out of a StreamAccessLogsMessage: which
 * connection, how far it has come, and whose it was. What follows for the ledger is not decided here.
 */
import { formatAddress } from '../../pure/plan/address.js';
import {
  eachField,
  eachNested,
  type FieldReader,
  type FlatStruct,
  readAddress,
  readerOf,
  readMetadata,
  readMilliseconds,
  type SocketAddress,
} from '../envoy-api/fields.js';

export interface LogEntry {
  readonly type: 'connected' | 'periodic' | 'end' | 'other';
  /**
   * The client's own, the one of its PROXY header where there is one; absent for a pipe. Its parts: it is written out
   * when somebody looks at it, and not for each report.
   */
  readonly client?: SocketAddress;
  /** Envoy cluster of the upstream connection; absent when none was chosen. */
  readonly cluster?: string;
  /** Node's side of the upstream connection, `10.1.2.3:46418` or `[::1]:46418`; absent when none was ever established. */
  readonly upstreamLocal?: string;
  /** The server that was dialled, in vain perhaps. */
  readonly upstreamRemote?: string;
  /** Why the last attempt to connect failed, in Envoy's words; absent when none did. */
  readonly failure?: string;
  /** How often it was tried to connect to a server. */
  readonly attempts: number;
  /** What the node's own filters said (namespace `sluice`). */
  readonly facts: FlatStruct;
  /** What this brain, or one before it, answered (namespace of ext_authz). */
  readonly verdict: FlatStruct;
  readonly durationMs: number;
}

const factsNamespace = 'sluice';
const verdictNamespace = 'envoy.filters.network.ext_authz';
const wanted: ReadonlySet<string> = new Set([factsNamespace, verdictNamespace]);
const nothing: FlatStruct = new Map();

/** envoy.data.accesslog.v3.AccessLogType */
const types = new Map<number, LogEntry['type']>([
  [1, 'connected'],
  [2, 'periodic'],
  [3, 'end'],
]);

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Of a StreamAccessLogsMessage: its TCPAccessLogEntries. */
export const entriesField = 3;

/** All TCP entries of one message of the stream, in their order. @throws when the bytes are no such message. */
export function readLogEntries(bytes: Uint8Array): LogEntry[] {
  const reader = readerOf(bytes);
  const entries: LogEntry[] = [];
  eachField(reader, reader.len, (field) => {
    if (field !== entriesField) return false;
    eachNested(reader, (inner) => take(reader, inner, entries));
    return true;
  });
  return entries;
}

/** The same of TCPAccessLogEntries, which is what a part of them is too. */
export function readTcpEntries(bytes: Uint8Array): LogEntry[] {
  const reader = readerOf(bytes);
  const entries: LogEntry[] = [];
  eachField(reader, reader.len, (field) => take(reader, field, entries));
  return entries;
}

function take(reader: FieldReader, field: number, entries: LogEntry[]): boolean {
  if (field !== 1) return false;
  entries.push(readEntry(reader));
  return true;
}

function readEntry(reader: FieldReader): LogEntry {
  const entry: Writable<LogEntry> = {
    type: 'other',
    facts: nothing,
    verdict: nothing,
    attempts: 0,
    durationMs: 0,
  };
  eachNested(reader, (field) => {
    if (field !== 1) return false;
    readCommon(reader, entry);
    return true;
  });
  return entry;
}

function readCommon(reader: FieldReader, entry: Writable<LogEntry>): void {
  const metadata = new Map<string, FlatStruct>();
  eachNested(reader, (field) => {
    if (field === 2) setClient();
    else if (field === 13) setAddress('upstreamRemote');
    else if (field === 14) setAddress('upstreamLocal');
    else if (field === 15) entry.cluster = reader.string();
    else if (field === 17) readMetadata(reader, wanted, metadata);
    else if (field === 18) entry.failure = reader.string();
    else if (field === 23) entry.durationMs = readMilliseconds(reader);
    else if (field === 24) entry.attempts = reader.uint32();
    else if (field === 33) entry.type = types.get(reader.uint32()) ?? 'other';
    else return false;
    return true;
  });
  entry.facts = metadata.get(factsNamespace) ?? nothing;
  entry.verdict = metadata.get(verdictNamespace) ?? nothing;

  function setClient(): void {
    const address = readAddress(reader);
    if (address) entry.client = address;
  }

  function setAddress(name: 'upstreamLocal' | 'upstreamRemote'): void {
    const address = readAddress(reader);
    if (address) entry[name] = formatAddress(address);
  }
}
