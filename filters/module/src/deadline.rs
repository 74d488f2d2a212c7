//! Deadlines. Envoy's ABI has no timers for network filters, so one thread sleeps until the earliest of all of them and
//! has Envoy call the filter on its own thread.
//!
//! An alarm ends with its filter, under the same lock under which the thread rings: it cannot ring for a filter that is
//! gone, nor use Envoy's threads after they have ended.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sluice_abi::{Connection, Scheduler};

type Key = (Instant, u64);

#[derive(Default)]
struct Pending {
    next: u64,
    alarms: BTreeMap<Key, (Scheduler, u64)>,
}

#[derive(Default)]
struct Clock {
    pending: Mutex<Pending>,
    earlier: Condvar,
}

/// Rings once, unless it is dropped before.
pub struct Alarm {
    key: Key,
}

impl Alarm {
    /// Has `on_scheduled(event)` called after `delay_ms`. `None` where the connection is already going away.
    pub fn set(connection: &Connection<'_>, delay_ms: u64, event: u64) -> Option<Self> {
        let scheduler = connection.scheduler()?;
        let clock = clock();
        let mut pending = clock.lock();
        let key = (Instant::now() + Duration::from_millis(delay_ms), pending.next);
        pending.next += 1;
        let earliest = pending.alarms.keys().next().is_none_or(|first| key < *first);
        pending.alarms.insert(key, (scheduler, event));
        drop(pending);
        if earliest {
            clock.earlier.notify_one();
        }
        Some(Self { key })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let removed = clock().lock().alarms.remove(&self.key);
        // Outside the lock: deleting a scheduler is Envoy's code.
        drop(removed);
    }
}

impl Clock {
    fn lock(&self) -> MutexGuard<'_, Pending> {
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
                    let (scheduler, event) = first.remove();
                    scheduler.commit(event);
                    pending
                }
                Some(first) => {
                    let sleep = first.key().0 - now;
                    self.earlier.wait_timeout(pending, sleep).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

fn clock() -> &'static Clock {
    static CLOCK: OnceLock<&'static Clock> = OnceLock::new();
    CLOCK.get_or_init(|| {
        let clock: &'static Clock = Box::leak(Box::default());
        let spawned = std::thread::Builder::new().name("sluice-clock".to_owned()).spawn(|| clock.run());
        if let Err(error) = spawned {
            sluice_abi::log(sluice_abi::Level::Error, || {
                format!("no thread for deadlines, none will be kept: {error}")
            });
        }
        clock
    })
}
