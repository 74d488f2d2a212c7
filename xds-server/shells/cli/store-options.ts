/** The options that say where the spec is kept, alike in every command that needs it. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseStoreAddress, type StoreSettings } from '../../pure/store/store-address.js';

export interface StoreOptions {
  /** As it is written: commander repeats what a parser refuses, and a URL may hold a password. */
  readonly store?: string;
  readonly etcdCa?: string;
  readonly etcdCertificate?: string;
  readonly etcdKey?: string;
  readonly etcdPrefix: string;
}

const defaultPrefix = '/sluice';

export function addStoreOptions(command: Command, description: string): Command {
  return command
    .option('--store <store>', description)
    .option('--etcd-ca <file>', 'the CA of the certificates of etcd, PEM')
    .option('--etcd-certificate <file>', 'what etcd is shown, PEM')
    .option('--etcd-key <file>', 'its private key')
    .addOption(
      new Option('--etcd-prefix <prefix>', 'before the names of all keys in etcd')
        .argParser(parsePrefix)
        .default(defaultPrefix),
    );
}

/** @returns a text when they do not go together; undefined: no store is named */
export function storeSettingsOf(options: StoreOptions): StoreSettings | string | undefined {
  const { store, etcdCa: ca, etcdCertificate: certificate, etcdKey: key, etcdPrefix } = options;
  const address = store === undefined ? undefined : parseStoreAddress(store);
  if (typeof address === 'string') return `--store: ${address}`;
  const isTls = address?.kind === 'etcd' && address.tls;
  const isAny = ca !== undefined || certificate !== undefined || key !== undefined;
  if (isAny && !isTls)
    return 'expected --etcd-ca, --etcd-certificate and --etcd-key with --store etcd:https://… only';
  if (etcdPrefix !== defaultPrefix && address?.kind !== 'etcd')
    return 'expected --etcd-prefix with --store etcd:… only';
  if (!address) return undefined;
  if (isTls && ca === undefined) return 'expected --etcd-ca with --store etcd:https://…, found none';
  if ((certificate === undefined) !== (key === undefined))
    return 'expected --etcd-certificate and --etcd-key together, found one of them';
  return { address, etcdPrefix, etcdTls: ca === undefined ? undefined : { ca, certificate, key } };
}

function parsePrefix(text: string): string {
  if (/^(\/[A-Za-z0-9._-]+){1,8}$/.test(text)) return text;
  throw new InvalidArgumentError('Expected a prefix such as /sluice or /teams/orders.');
}
