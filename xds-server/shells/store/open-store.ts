/** From what the command line says to a store. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { SpecStore } from '../../pure/store/spec-store.js';
import { type EtcdTlsFiles, formatStoreAddress, type StoreSettings } from '../../pure/store/store-address.js';
import { EtcdClient } from '../etcd/etcd-client.js';
import type { EtcdCredentials } from '../etcd/member.js';
import { DirStore } from './dir-store.js';
import { EtcdStore } from './etcd-store.js';
import { maxSpecBytes } from './load-spec.js';

export function openStore({ address, etcdTls, etcdPrefix }: StoreSettings): SpecStore {
  if (address.kind === 'dir') return new DirStore(address.path, maxSpecBytes);
  return new EtcdStore({
    name: formatStoreAddress(address),
    endpoints: address.endpoints,
    ...(etcdTls && { credentials: () => etcdCredentials(etcdTls) }),
    prefix: etcdPrefix,
    writer: randomBytes(16).toString('hex'),
  });
}

/** For what brains share besides the spec; undefined where the store is not etcd. */
export function openEtcd({
  address,
  etcdTls,
  etcdPrefix: prefix,
}: StoreSettings): { readonly etcd: EtcdClient; readonly prefix: string } | undefined {
  if (address.kind !== 'etcd') return undefined;
  const credentials = etcdTls && (() => etcdCredentials(etcdTls));
  return {
    etcd: new EtcdClient({ endpoints: address.endpoints, ...(credentials && { credentials }) }),
    prefix,
  };
}

/** @throws in words for the operator */
export function etcdCredentials({ ca, certificate, key }: EtcdTlsFiles): EtcdCredentials {
  return {
    ca: readFileSync(ca),
    ...(certificate !== undefined && key !== undefined
      ? { certificate: readFileSync(certificate), key: readFileSync(key) }
      : {}),
  };
}
