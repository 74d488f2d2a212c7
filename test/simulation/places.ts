/** I5, in the queue: nobody is turned away for want of a place while clients from another address have two more than he. */
import type { LedgerEffect, LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import type { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import type { ServicePlan } from '../../xds-server/pure/plan/plan.js';
import { Violation } from './violation.js';

type Check = Extract<LedgerEvent, { kind: 'check' }>;
type Refused = Extract<LedgerEffect, { kind: 'refuse' }>;

/** What somebody is told who finds no place; of one whose time is up it is known by that. */
const forWantOfAPlace: ReadonlySet<string> = new Set(['queue_full', 'login_limit', 'not_ready']);

const mostWaiters = 1_000;

export class Places {
  readonly #planned: (service: string) => ServicePlan | undefined;
  readonly #checks = new Map<string, Check>();
  /** Sources of which a login may have failed, by service: they give way to everybody. */
  readonly #failing = new Set<string>();

  constructor(planned: (service: string) => ServicePlan | undefined) {
    this.#planned = planned;
  }

  look(event: LedgerEvent, effects: readonly LedgerEffect[], ledger: Ledger): void {
    if (event.kind === 'end') {
      const check = this.#checks.get(event.connection);
      if (check && event.upstream.login !== 'accepted') this.#failing.add(doorOf(check));
    }
    if (event.kind !== 'check') return;
    this.#checks.set(event.connection, event);
    for (const effect of effects)
      if (effect.kind === 'refuse' && effect.connection === event.connection)
        this.#judge(event, effect, ledger);
  }

  #judge(newcomer: Check, { refusal: { reason }, waitedMs }: Refused, ledger: Ledger): void {
    const plan = this.#planned(newcomer.service);
    if (!plan || waitedMs >= plan.timeoutMs || !forWantOfAPlace.has(reason)) return;
    if ((plan.maxQueue === 0 && reason !== 'not_ready') || this.#failing.has(doorOf(newcomer))) return;
    const places = new Map<string | undefined, number>();
    for (const { connection, service } of ledger.view({ waiters: mostWaiters }).waiters) {
      const source = this.#checks.get(connection)?.source;
      if (service === newcomer.service) places.set(source, (places.get(source) ?? 0) + 1);
    }
    const own = places.get(newcomer.source) ?? 0;
    for (const [source, count] of places)
      if (count > own + 1)
        throw new Violation(
          `I5: ${count} from ${source} wait, and one from ${newcomer.source} with ${own} may not`,
        );
  }
}

const doorOf = ({ service, source }: Check): string => `${service} ${source}`;
