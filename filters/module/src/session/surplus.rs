//! Which sessions of this node are called to end, because there are more than there may be. Any session that may be called asks the
//! brain for all of them, at most one a second.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sluice_abi::{Callout, Connection, monotonic_ms};
use sluice_core::surplus;

use super::asking::ask_brain;

const ASK_MS: u64 = 1_000;
const PATIENCE_MS: u64 = 2_000;
/// What was called is forgotten then: the brain calls again whom it still means.
const CALLED_MS: u64 = 5_000;

#[derive(Default)]
pub struct Surplus {
    asked_ms: AtomicU64,
    called: Mutex<Called>,
}

#[derive(Default)]
struct Called {
    until_ms: u64,
    connections: HashSet<String>,
}

impl Surplus {
    /// Is the session of this id called?
    pub fn calls(&self, id: &str) -> bool {
        let called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        monotonic_ms() < called.until_ms && called.connections.contains(id)
    }

    /// Asks on behalf of the session of this id; `None` where another one has asked lately, or nobody can be asked.
    pub fn ask(&self, connection: &Connection<'_>, id: &str) -> Option<Callout> {
        let (last_ms, now_ms) = (self.asked_ms.load(Ordering::Relaxed), monotonic_ms());
        let is_due = now_ms >= last_ms + ASK_MS
            && self.asked_ms.compare_exchange(last_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_due { ask_brain(connection, surplus::PATH, &surplus::question(id), PATIENCE_MS) } else { None }
    }

    /// The brain has answered with this body, or has not.
    pub fn answered(&self, body: Option<&[u8]>) {
        if let Some(ids) = body.and_then(surplus::answer) {
            *self.called.lock().unwrap_or_else(PoisonError::into_inner) =
                Called { until_ms: monotonic_ms() + CALLED_MS, connections: ids.into_iter().collect() };
        }
    }
}
