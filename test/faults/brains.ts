/**
 * Three brains on one etcd, two Envoys that know all of them, one database. Each brain has a network of its own to etcd,
 * and one before it by which the others dial it:
 *
 *   etcd ◀── toEtcd ── brain ◀── fromBrains ── the other two
 */
import { readFileSync } from 'node:fs';
import type { SpecStore } from '../../xds-server/pure/store/spec-store.js';
import { parseStoreAddress } from '../../xds-server/pure/store/store-address.js';
import { openStore } from '../../xds-server/shells/store/open-store.js';
import { Brain } from '../harness/brain.js';
import { Envoy } from '../harness/envoy.js';
import { Etcd } from '../harness/etcd.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { databaseOf, Ground, reserve, servicesOf } from './ground.js';
import { Link } from './link.js';

export interface Member {
  readonly brain: Brain;
  readonly toEtcd: Link;
  readonly fromBrains: Link;
}

export class Brains extends Ground<Postgres> {
  readonly etcd: Etcd;
  readonly members: readonly Member[];
  readonly #store: SpecStore;

  private constructor(
    orders: Protected<Postgres>,
    sluice: Sluice,
    etcd: Etcd,
    members: readonly Member[],
    store: SpecStore,
  ) {
    super(orders, sluice);
    this.etcd = etcd;
    this.members = members;
    this.#store = store;
  }

  static async start(): Promise<Brains> {
    const [etcd, orders] = await Promise.all([
      Etcd.start(),
      protectedPostgres('orders', { ...databaseOf(), reserve: reserve + standing }),
    ]);
    let sluice: Sluice | undefined;
    const members: Member[] = [];
    for (const id of ['brain-1', 'brain-2', 'brain-3']) {
      const toEtcd = await Link.to(memberOf(etcd));
      let fromBrains: Link | undefined;
      const options = {
        id,
        store: `etcd:http://${toEtcd.host}:${toEtcd.port}`,
        advertise: async (xds: Brain['xds']) => {
          fromBrains = await Link.to(xds);
          return fromBrains;
        },
      };
      sluice ??= await Sluice.start({
        databases: { orders },
        services: servicesOf(orders.budget),
        ...options,
      });
      const brain =
        members.length === 0
          ? sluice.brain
          : await Brain.start(sluice.file.path, { ...options, beside: sluice.brain });
      members.push({ brain, toEtcd, fromBrains: fromBrains! });
    }
    const xds = members.map(({ brain }) => brain.xds);
    const { channel } = sluice!.brain;
    for (const node of ['edge-2', 'edge-3'])
      await (await Envoy.start({ node, xds, channel })).waitForListener('pg');
    // It knows the first brain alone.
    await sluice!.envoy.stop();
    const store = openStore({
      address: storeOf(etcd),
      etcdTls: undefined,
      etcdPrefix: '/sluice',
    });
    const brains = new Brains(orders, sluice!, etcd, members, store);
    await brains.untilLed();
    return brains;
  }

  async leader(): Promise<Brain> {
    return (await this.#leading()).brain;
  }

  followers(leader: Member): readonly Member[] {
    return this.members.filter((member) => member !== leader);
  }

  /** Until a brain leads and grants. */
  untilLed(): Promise<Member> {
    return waitUntil('a brain leads and admits', async () => {
      const leader = await this.#leading();
      const { targets } = await leader.brain.status();
      return targets.every(({ recovering }) => !recovering) ? leader : undefined;
    });
  }

  async save(): Promise<void> {
    const { file } = this.sluice;
    file.save();
    const stored = await this.#store.read();
    const written = await this.#store.write(readFileSync(file.path), stored?.revision ?? 0);
    if (written.kind === 'conflict') throw new Error('expected nobody else to write to the store');
  }

  /** One that stands still answers nobody, and is not waited for where another leads. */
  #leading(): Promise<Member> {
    return Promise.any(
      this.members.map(async (member) => {
        const { role, remaining_ms: remainingMs } = (await member.brain.status()).leadership;
        if (role === 'leader' && remainingMs !== 0) return member;
        throw new Error('it does not lead');
      }),
    );
  }
}

/** A brain that stands still keeps its observer's sessions while the next one has its own. */
const standing = 2;

function memberOf(etcd: Etcd): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(etcd.member.url);
  return { host: hostname, port: Number(port) };
}

function storeOf(etcd: Etcd) {
  const address = parseStoreAddress(`etcd:${etcd.urls}`);
  if (typeof address === 'string') throw new Error(address);
  return address;
}
