/** I5: each leader's grants and refusals are judged by themselves. One that has lost its term without noticing may go on for a while beside the next. */
import type { LedgerEffect, LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import { Fairness } from './fairness.js';
import { Places } from './places.js';
import type { Seat } from './seat.js';
import { settings, type Traits } from './traits.js';

export class Judges {
  readonly #ofPlaces: WeakMap<Seat, Places> | undefined;
  readonly #ofGrants: WeakMap<Seat, Fairness> | undefined;

  constructor({ sources, kills }: Pick<Traits, 'sources' | 'kills'>) {
    if (sources > 1) this.#ofPlaces = new WeakMap();
    // Who waits at a door of his own, and who came for KILL alone, is not told from the others by it.
    if (sources === 0 && !kills) this.#ofGrants = new WeakMap();
  }

  look(event: LedgerEvent, effects: readonly LedgerEffect[], seat: Seat, nowMs: number): void {
    if (this.#ofPlaces) judgeOf(this.#ofPlaces, seat, forPlaces).look(event, effects, seat.ledger);
    if (this.#ofGrants && effects.length > 0)
      judgeOf(this.#ofGrants, seat, forGrants).look(effects, seat.ledger, nowMs);
  }
}

const forPlaces = (seat: Seat): Places => new Places(plannedBy(seat));
const forGrants = (seat: Seat): Fairness => new Fairness(settings.starvationMs, plannedBy(seat));
const plannedBy = (seat: Seat) => (service: string) => seat.plan?.services.get(service);

function judgeOf<Judge>(judges: WeakMap<Seat, Judge>, seat: Seat, appoint: (seat: Seat) => Judge): Judge {
  let judge = judges.get(seat);
  if (!judge) {
    judge = appoint(seat);
    judges.set(seat, judge);
  }
  return judge;
}
