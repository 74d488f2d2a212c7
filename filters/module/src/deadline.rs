//! Deadlines. Envoy's ABI has no timers for network filters, so one thread sleeps until the earliest of all of them and
//! has Envoy call the filter on its own thread.
//!
//! An alarm ends with its filter, and [`Scheduler`] falls silent with its connection. It is rung outside the lock: whatever
//! Envoy does in there, alarms can be set and dropped meanwhile, by that thread too.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sluice_abi::{Connection, Scheduler};

/// Rings once, unless it is dropped before; dropped in that very moment it may ring behind what was committed since.
pub struct Alarm<B: Bell = Scheduler> {
    clock: Arc<Clock<B>>,
    key: Key,
}

impl Alarm {
    /// Has `on_scheduled(event)` called after `delay_ms`. `None` where the connection is already going away.
    pub fn set(connection: &Connection<'_>, delay_ms: u64, event: u64) -> Option<Self> {
        Some(Clock::set(the_clock(), connection.scheduler()?, delay_ms, event))
    }
}

impl<B: Bell> Drop for Alarm<B> {
    fn drop(&mut self) {
        let removed = self.clock.lock().alarms.remove(&self.key);
        // Outside the lock: deleting a scheduler is Envoy's code.
        drop(removed);
    }
}

/// What an alarm rings.
pub trait Bell: Send + 'static {
    fn ring(&self, event: u64);
}

impl Bell for Scheduler {
    fn ring(&self, event: u64) {
        self.commit(event);
    }
}

/// The number keeps alarms of one instant apart.
type Key = (Instant, u64);

struct Pending<B> {
    next: u64,
    alarms: BTreeMap<Key, (B, u64)>,
}

struct Clock<B> {
    pending: Mutex<Pending<B>>,
    earlier: Condvar,
}

impl<B: Bell> Clock<B> {
    fn start() -> Arc<Self> {
        let pending = Mutex::new(Pending { next: 0, alarms: BTreeMap::new() });
        let clock = Arc::new(Self { pending, earlier: Condvar::new() });
        let running = Arc::clone(&clock);
        let spawned = std::thread::Builder::new().name("sluice-clock".to_owned()).spawn(move || running.run());
        // Without its thread no deadline would ever be kept: the panic closes this connection, the next one tries again.
        #[allow(clippy::expect_used)]
        spawned.expect("no thread for deadlines");
        clock
    }

    fn set(clock: &Arc<Self>, bell: B, delay_ms: u64, event: u64) -> Alarm<B> {
        let mut pending = clock.lock();
        let key = (Instant::now() + Duration::from_millis(delay_ms), pending.next);
        pending.next += 1;
        let earliest = pending.alarms.keys().next().is_none_or(|first| key < *first);
        pending.alarms.insert(key, (bell, event));
        drop(pending);
        if earliest {
            clock.earlier.notify_one();
        }
        Alarm { clock: Arc::clone(clock), key }
    }

    fn lock(&self) -> MutexGuard<'_, Pending<B>> {
        // A panic under the lock leaves a map that is still whole.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> ! {
        let mut pending = self.lock();
        loop {
            let now = Instant::now();
            pending = match pending.alarms.first_entry() {
                None => self.earlier.wait(pending).unwrap_or_else(PoisonError::into_inner),
                Some(first) if first.key().0 <= now => {
                    let (bell, event) = first.remove();
                    drop(pending);
                    bell.ring(event);
                    drop(bell);
                    self.lock()
                }
                Some(first) => {
                    let sleep = first.key().0 - now;
                    self.earlier.wait_timeout(pending, sleep).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

fn the_clock() -> &'static Arc<Clock<Scheduler>> {
    static CLOCK: OnceLock<Arc<Clock<Scheduler>>> = OnceLock::new();
    CLOCK.get_or_init(Clock::start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    impl Bell for Sender<u64> {
        fn ring(&self, event: u64) {
            let _ = self.send(event);
        }
    }

    #[test]
    fn alarms_ring_in_the_order_of_their_deadlines() {
        let (bell, rung) = channel();
        let clock = Clock::start();
        let set = |delay_ms, event| Clock::set(&clock, bell.clone(), delay_ms, event);
        let _alarms = [set(40, 3), set(0, 1), set(20, 2), set(3_600_000, 4)];
        assert_eq!(rung.iter().take(3).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn an_alarm_that_is_dropped_never_rings() {
        let (bell, rung) = channel();
        let clock = Clock::start();
        let early = Clock::set(&clock, bell.clone(), 200, 1);
        let late = Clock::set(&clock, bell, 201, 2);
        drop(early);
        assert_eq!(rung.recv(), Ok(2));
        drop(late);
        assert!(clock.lock().alarms.is_empty());
    }

    /// What it rings ends another alarm's filter.
    struct Ending(Mutex<Option<Alarm<Arc<Ending>>>>, Sender<u64>);

    impl Bell for Arc<Ending> {
        fn ring(&self, event: u64) {
            drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
            let _ = self.1.send(event);
        }
    }

    #[test]
    fn while_an_alarm_rings_others_can_be_dropped_on_the_same_thread() {
        let (sender, rung) = channel();
        let clock = Clock::start();
        let bell = Arc::new(Ending(Mutex::new(None), sender));
        let late = Clock::set(&clock, Arc::clone(&bell), 3_600_000, 2);
        *bell.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(late);
        let _early = Clock::set(&clock, Arc::clone(&bell), 0, 1);
        assert_eq!(rung.recv_timeout(Duration::from_secs(10)), Ok(1));
    }
}
