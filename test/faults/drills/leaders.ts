/** What becomes of several brains on one etcd; for a ground that has them. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Brains, Member } from '../brains.js';
import type { Drill } from '../drill.js';
import { resizeEachSecond } from './operators.js';

/** Longer than any term, shorter than clients wait. */
const awayMs = 10_000;
const resizedSeconds = 30;

export const leaders: readonly Drill<Brains>[] = [
  {
    name: 'leader killed, started again',
    excuses: {},
    async fault(brains) {
      const { brain } = await brains.untilLed();
      await brain.kill();
      await pause(1_000);
      await brain.startAgain();
    },
  },
  away(
    'leader stopped, goes on after ten seconds',
    ({ brain }) => brain.signal('SIGSTOP'),
    ({ brain }) => brain.signal('SIGCONT'),
  ),
  away(
    'leader parted from etcd for ten seconds',
    ({ toEtcd }) => toEtcd.cut(),
    ({ toEtcd }) => toEtcd.mend(),
  ),
  away(
    'followers parted from the leader for ten seconds',
    ({ fromBrains }) => fromBrains.cut(),
    ({ fromBrains }) => fromBrains.mend(),
  ),
  {
    name: 'a follower killed, started again',
    excuses: {},
    async fault(brains) {
      const [follower] = brains.followers(await brains.untilLed());
      await follower!.brain.kill();
      await pause(1_000);
      await follower!.brain.startAgain();
    },
  },
  {
    name: 'etcd killed, started again after ten seconds',
    excuses: {},
    async fault({ etcd }) {
      await etcd.member.kill();
      await pause(awayMs);
      await etcd.member.start();
    },
  },
  {
    name: 'etcd stopped, goes on after ten seconds',
    excuses: {},
    async fault({ etcd }) {
      await etcd.member.pause();
      await pause(awayMs);
      etcd.member.resume();
    },
  },
  {
    name: 'a resize every second, each leader killed after ten seconds',
    excuses: {},
    async fault(brains, { watch, found }) {
      let kills = 0;
      const resized = resizeEachSecond(brains, watch, resizedSeconds);
      const isOver = resized.then(() => true);
      while (!(await Promise.race([isOver, pause(awayMs, false)]))) {
        const { brain } = await brains.untilLed();
        await brain.kill();
        await brain.startAgain();
        kills += 1;
      }
      const { shrunk, drained } = await resized;
      found({
        violations: kills < 2 ? [`only ${kills} leaders were killed meanwhile`] : [],
        figures: { kills, shrunk, seen_drained: drained },
      });
    },
  },
];

/** A fault of one brain is no reason for clients to wait for its end. */
function away(name: string, go: (leader: Member) => void, comeBack: (leader: Member) => void): Drill<Brains> {
  return {
    name,
    excuses: {},
    async fault(brains, { crowd, found }) {
      const leader = await brains.untilLed();
      go(leader);
      const before = crowd.served;
      await pause(awayMs);
      const served = crowd.served - before;
      comeBack(leader);
      found({
        violations: served === 0 ? ['I3: nobody was served meanwhile'] : [],
        figures: { served_meanwhile: served },
      });
    },
  };
}
