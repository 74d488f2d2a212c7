import type { ElectionSettings } from '../../xds-server/pure/leadership/settings.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import type { LedgerSettings } from '../../xds-server/pure/ledger/settings.js';
import type { ConnectsBy, IsExpired, LeadsTo } from './envoy.js';
import { serverOf } from './plans.js';
import { settings } from './traits.js';

/** What may be another than what ships, to see it found. */
export interface Parts {
  readonly ledger: (settings: LedgerSettings) => Ledger;
  readonly isExpired: IsExpired;
  readonly connectsBy: ConnectsBy;
  readonly leadsTo: LeadsTo;
  readonly election: Partial<ElectionSettings>;
  /** Whether a leader stops granting when its term is over. */
  readonly endsTerms: boolean;
}

export const shipped: Parts = {
  ledger: (given) => new Ledger(given),
  isExpired: ({ expiresMs }, nowMs) => nowMs >= expiresMs,
  connectsBy: ({ expiresMs }) => expiresMs + settings.connectGraceMs,
  leadsTo: ({ service, cluster }, plan) => {
    const planned = plan.services.get(service);
    return planned?.cluster === cluster ? serverOf(plan, planned.target) : undefined;
  },
  election: {},
  endsTerms: true,
};
