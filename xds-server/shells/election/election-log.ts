/** What an operator reads of the election: each change once. */
import type { Logger } from 'pino';
import type { Election } from '../../pure/leadership/election.js';

export class ElectionLog {
  readonly #log: Logger;
  readonly #brain: string;
  #leads = '';
  #troubled = false;
  #over = false;

  constructor(log: Logger, brain: string) {
    this.#log = log;
    this.#brain = brain;
  }

  /** After each step. */
  say(election: Election, nowMs: number): void {
    this.#sayWhoLeads(election);
    this.#sayTrouble(election);
    const { leadership } = election;
    const over = leadership.kind === 'leader' && leadership.untilMs <= nowMs;
    if (over && !this.#over)
      this.#log.error('the term of this brain is over and etcd has not renewed it: nothing is granted');
    else if (!over && this.#over && leadership.kind === 'leader')
      this.#log.info({ term: leadership.term }, 'etcd has renewed the term: this brain goes on');
    this.#over = over;
  }

  #sayWhoLeads({ leadership, namesake }: Election): void {
    const nobody = namesake ? `namesake ${namesake.lease}` : 'nobody';
    const leads = leadership.kind === 'nobody' ? nobody : `${leadership.kind} ${leadership.term}`;
    if (leads === this.#leads) return;
    this.#leads = leads;
    if (leadership.kind === 'leader') this.#log.info({ term: leadership.term }, 'this brain leads');
    else if (leadership.kind === 'follower') {
      const { brain, address, term } = leadership;
      this.#log.info({ brain, address, term }, 'another brain leads');
    } else if (namesake)
      this.#log.warn(
        { brain: this.#brain, address: namesake.address },
        'another process leads under the id of this brain: an earlier run of it, for some seconds, or one that was given its id (--brain); clients wait',
      );
    else this.#log.warn('no brain leads: clients wait');
  }

  #sayTrouble({ trouble }: Election): void {
    if (trouble && !this.#troubled) this.#log.warn({ problem: trouble.problem }, 'etcd does not answer');
    else if (!trouble && this.#troubled) this.#log.info('etcd answers again');
    this.#troubled = trouble !== undefined;
  }
}
