/**
 * envoy.service.auth.v3.CheckRequest as this brain reads it: only what decides. Whether the facts are believed and
 * what follows from them is not decided here.
 */
import {
  eachField,
  eachNested,
  type FlatStruct,
  readAddress,
  readerOf,
  readMetadata,
} from '../envoy-api/fields.js';

export interface Check {
  /** Minted by the node; 32 hex digits. */
  readonly connection: string;
  readonly listener: string;
  /** From the startup message; absent where the client named none. */
  readonly user?: string;
  readonly database?: string;
  readonly bornUnixMs: number;
  readonly ageMs: number;
  readonly monotonicMs: number;
  /** Whether the client speaks TLS. */
  readonly tls: boolean;
  /** Server name of the client's TLS; absent: no TLS, or none sent. */
  readonly serverName?: string;
  /** Source IP address; empty where the client has none. */
  readonly address: string;
  /** The client's certificate, URL-encoded PEM. Envoy's `principal` is not read: see certificate-names.ts. */
  readonly certificate?: string;
  /** MySQL: the id that the front's greeting gave. */
  readonly frontId?: number;
  /** The client asks for a session to be cancelled (Postgres), and for nothing else. */
  readonly cancel?: { readonly pid: number; readonly secret: Uint8Array };
}

const namespace = 'sluice';
const wanted: ReadonlySet<string> = new Set([namespace]);
const connectionPattern = /^[0-9a-f]{32}$/;
const pidPattern = /^\d{1,10}$/;
/** As the protocol has it: four bytes. */
const maxPid = 0xffff_ffff;
/** 4 to 256 bytes: filters/core/src/postgres/cancel.rs. */
const secretPattern = /^([0-9a-f]{2}){4,256}$/;
/** A server name in a TLS hello that Envoy reads at all is no longer. */
const maxServerNameChars = 255;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** @returns undefined when a node sends what the filters of this project never send. */
export function readCheck(bytes: Uint8Array): Check | undefined {
  const reader = readerOf(bytes);
  const check: Pick<Writable<Check>, 'tls' | 'serverName' | 'address' | 'certificate'> = {
    tls: false,
    address: '',
  };
  const metadata = new Map<string, FlatStruct>();
  eachField(reader, reader.len, (field) => {
    if (field !== 1) return false;
    eachNested(reader, (attribute) => {
      if (attribute === 1) readPeer();
      else if (attribute === 11) readMetadata(reader, wanted, metadata);
      else if (attribute === 12) readTlsSession();
      else return false;
      return true;
    });
    return true;
  });
  return withMetadata(check, metadata.get(namespace));

  function readPeer(): void {
    eachNested(reader, (field) => {
      if (field === 1) check.address = readAddress(reader)?.host ?? '';
      else if (field === 5) check.certificate = reader.string();
      else return false;
      return true;
    });
  }

  /** There for each TLS connection, empty where the client sent no server name. */
  function readTlsSession(): void {
    check.tls = true;
    eachNested(reader, (field) => {
      if (field !== 1) return false;
      check.serverName = reader.string();
      return true;
    });
  }
}

/** Filled in place: copying a message for each of its optional fields costs more than reading it. */
function withMetadata(check: Partial<Writable<Check>>, facts: FlatStruct | undefined): Check | undefined {
  const connection = textOf(facts, 'connection');
  const listener = textOf(facts, 'listener');
  const bornUnixMs = numberOf(facts, 'born_unix_ms');
  const ageMs = numberOf(facts, 'age_ms');
  const monotonicMs = numberOf(facts, 'monotonic_ms');
  if (connection === undefined || !connectionPattern.test(connection) || listener === undefined)
    return undefined;
  if ((check.serverName?.length ?? 0) > maxServerNameChars) return undefined;
  if (bornUnixMs === undefined || ageMs === undefined || monotonicMs === undefined) return undefined;
  const frontId = numberOf(facts, 'front_id');
  const cancel = cancelOf(textOf(facts, 'cancel_pid'), textOf(facts, 'cancel_key'));
  const user = textOf(facts, 'user');
  const database = textOf(facts, 'database');
  check.connection = connection;
  check.listener = listener;
  check.bornUnixMs = bornUnixMs;
  check.ageMs = ageMs;
  check.monotonicMs = monotonicMs;
  if (user !== undefined) check.user = user;
  if (database !== undefined) check.database = database;
  if (frontId !== undefined) check.frontId = frontId;
  if (cancel) check.cancel = cancel;
  return check as Check;
}

function textOf(facts: FlatStruct | undefined, name: string): string | undefined {
  const value = facts?.get(name);
  return typeof value === 'string' ? value : undefined;
}

/** Clocks are reckoned with: beyond these numbers their sums are none any more. */
function numberOf(facts: FlatStruct | undefined, name: string): number | undefined {
  const value = facts?.get(name);
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

function cancelOf(pid: string | undefined, secret: string | undefined): Check['cancel'] {
  if (pid === undefined || secret === undefined || !pidPattern.test(pid) || !secretPattern.test(secret))
    return undefined;
  return Number(pid) > maxPid ? undefined : { pid: Number(pid), secret: Buffer.from(secret, 'hex') };
}
