//! The roll of sessions that rest, and whom of them the brain calls since there are more than there may be. What the roll
//! says is core's; here a session looks at it, and one of them asks for all.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use sluice_abi::{Callout, Connection, monotonic_ms};
use sluice_core::surplus::{self, Roll};
use sluice_core::verdict;

use super::Session;
use super::asking::ask_brain;
use crate::NAMESPACE;

/// Longer than a brain waits for the leader's answer: a brain that does not answer in time counts as dead to Envoy.
pub(super) const PATIENCE_MS: u64 = 3_000;

impl Session {
    /// True where the brain calls this session, which rests. Any session that looks asks for all, when it is time.
    pub(super) fn look_at_roll(&mut self, connection: &Connection<'_>, since_ms: u64) -> bool {
        let now_ms = monotonic_ms();
        let own = connection.text(NAMESPACE, "connection").unwrap_or_default();
        let cluster = connection.text(verdict::NAMESPACE, "cluster").unwrap_or_default();
        let (is_called, question) = {
            let mut roll = the_roll();
            let is_called = roll.look(own, cluster, since_ms, now_ms);
            // An answer is lost on whoever has ended by then.
            let may_ask = !is_called && self.asks_for_all.is_none();
            (is_called, if may_ask { roll.question(now_ms) } else { None })
        };
        if let Some(question) = question {
            let asked = ask_brain(connection, surplus::PATH, &question, PATIENCE_MS);
            self.asks_for_all = asked.map(|asked| (asked, now_ms));
        }
        is_called
    }

    /// True where `callout` was the question for all.
    pub(super) fn roll_answered(&mut self, callout: Callout, body: Option<&[u8]>) -> bool {
        let Some((_, asked_ms)) = self.asks_for_all.take_if(|(asked, _)| *asked == callout) else { return false };
        if let Some(body) = body {
            the_roll().answered(asked_ms, body);
        }
        true
    }

    /// Its own end comes before the answer: somebody else must ask.
    pub(super) fn give_up_roll(&mut self) {
        if self.asks_for_all.take().is_some() {
            the_roll().ask_again();
        }
    }
}

/// Of all listeners: the brain tells nodes apart, and nothing smaller.
fn the_roll() -> MutexGuard<'static, Roll> {
    static ROLL: LazyLock<Mutex<Roll>> = LazyLock::new(Mutex::default);
    ROLL.lock().unwrap_or_else(PoisonError::into_inner)
}
