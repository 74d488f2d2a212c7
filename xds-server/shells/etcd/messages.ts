/** The messages of etcd's API (see protos/build.ts): the generated types to bytes and back, and the few forms in use. */
import { createRequire } from 'node:module';
import protobuf from 'protobufjs';
import type { Compare } from '#etcd-api/etcdserverpb/Compare.js';
import type { RequestOp } from '#etcd-api/etcdserverpb/RequestOp.js';
import type { KeyValue__Output } from '#etcd-api/mvccpb/KeyValue.js';

let loaded: protobuf.Root | undefined;

/** @throws when set-up has not been run: the descriptor tree is missing. */
function root(): protobuf.Root {
  loaded ??= protobuf.Root.fromJSON(createRequire(import.meta.url)('#etcd-api.json') as protobuf.INamespace);
  return loaded;
}

/** @param name below `etcdserverpb` */
export function encoder<Message extends object>(name: string): (message: Message) => Buffer {
  const type = typeOf(name);
  return (message) => Buffer.from(type.encode(type.fromObject(message)).finish());
}

/**
 * 64-bit numbers become decimal strings; what is not set is not there.
 *
 * @param name below `etcdserverpb`
 */
export function decoder<Message>(name: string): (bytes: Uint8Array) => Message {
  const type = typeOf(name);
  return (bytes) => type.toObject(type.decode(bytes), { longs: String, enums: String }) as Message;
}

const typeOf = (name: string): protobuf.Type => root().lookupType(`etcdserverpb.${name}`);

export interface Entry {
  readonly value: Buffer;
  /** The store's revision at which this key came to be, and at which it was last written. Below 2^53. */
  readonly createRevision: number;
  readonly modRevision: number;
  /** Id of the lease that it lives under; `0`: none. */
  readonly lease: string;
}

export function entryOf(kv: KeyValue__Output): Entry {
  return {
    value: Buffer.from(kv.value ?? []),
    createRevision: Number(kv.create_revision ?? 0),
    modRevision: Number(kv.mod_revision ?? 0),
    lease: kv.lease ?? '0',
  };
}

/** Holds when the key was last written at this revision; 0: it is not there. */
export const lastWrittenAt = (key: string, revision: number): Compare => ({
  key: Buffer.from(key),
  target: 'MOD',
  result: 'EQUAL',
  mod_revision: revision,
});

/** Holds when the key came to be at this revision; 0: it is not there. */
export const createdAt = (key: string, revision: number): Compare => ({
  key: Buffer.from(key),
  target: 'CREATE',
  result: 'EQUAL',
  create_revision: revision,
});

/** @param lease the key ends with it */
export const put = (key: string, value: Uint8Array, lease?: string): RequestOp => ({
  request_put: { key: Buffer.from(key), value, ...(lease !== undefined && { lease }) },
});

export const get = (key: string): RequestOp => ({ request_range: { key: Buffer.from(key) } });

export const remove = (key: string): RequestOp => ({ request_delete_range: { key: Buffer.from(key) } });
