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
import type { Brain } from '../harness/brain.js';
import type { Etcd } from '../harness/etcd.js';
import type { Postgres } from '../harness/postgres.js';
import type { Protected } from '../harness/protected-database.js';
import { edgeOf, severalBrains } from '../harness/several-brains.js';
import type { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { account, databaseOf, Ground, servicesOf } from './ground.js';
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
    const { budget } = databaseOf();
    const links: Omit<Member, 'brain'>[] = [];
    const { etcd, orders, sluice, brains } = await severalBrains({
      count: 3,
      ...{ budget, account },
      services: servicesOf(budget),
      waysOf: async (_id, etcd) => {
        const toEtcd = await Link.to(memberOf(etcd));
        return {
          store: `etcd:http://${toEtcd.host}:${toEtcd.port}`,
          advertise: async (xds) => {
            const fromBrains = await Link.to(xds);
            links.push({ toEtcd, fromBrains });
            return fromBrains;
          },
        };
      },
    });
    const members = brains.map((brain, index) => ({ brain, ...links[index]! }));
    for (const node of ['edge-2', 'edge-3']) await edgeOf(brains, node);
    // It knows the first brain alone.
    await sluice.envoy.stop();
    const store = openStore({
      address: storeOf(etcd),
      etcdTls: undefined,
      etcdPrefix: '/sluice',
    });
    const ground = new Brains(orders, sluice, etcd, members, store);
    await ground.untilLed();
    return ground;
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

function memberOf(etcd: Etcd): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(etcd.member.url);
  return { host: hostname, port: Number(port) };
}

function storeOf(etcd: Etcd) {
  const address = parseStoreAddress(`etcd:${etcd.urls}`);
  if (typeof address === 'string') throw new Error(address);
  return address;
}
