//! Idle sessions that may end when there are more than the limits allow: the roll of those of a node that rest for long enough, offered to
//! the brain, and whom it calls. protos/sluice/v1/sessions.proto in gRPC's framing.

use std::collections::HashMap;

use crate::grpc::{NUMBER_2, TEXT_1, framed, push_number, push_text, unframed};

/// Where it is asked.
pub const PATH: &str = "/sluice.v1.Sessions/Surplus";
/// Digits of a connection's id.
const ID_BYTES: usize = 32;
/// Offered, and called, at once.
const MOST: usize = 1_000;
/// Between two questions while sessions are called, and while none is.
const ASK_MS: u64 = 1_000;
const PEACE_MS: u64 = 5_000;
/// A session that has not looked for so long rests no more; one that does looks every two seconds.
const SEEN_MS: u64 = 3_000;
/// From the question on a call counts: the brain calls again whom it still means.
const CALLED_MS: u64 = 7_000;

/// The sessions of one node that rest.
#[derive(Default)]
pub struct Roll {
    resting: HashMap<String, Rest>,
    /// And whether it has heard of it.
    called: HashMap<String, bool>,
    called_until_ms: u64,
    ask_at_ms: u64,
    /// Of the question that was answered last.
    answered_ms: u64,
}

struct Rest {
    /// Its service's, at the target that it leads to.
    cluster: String,
    since_ms: u64,
    seen_ms: u64,
}

impl Roll {
    /// A session that rests for long enough looks. True where it is called.
    pub fn look(&mut self, id: String, cluster: String, since_ms: u64, now_ms: u64) -> bool {
        let may_hear = now_ms < self.called_until_ms;
        if let Some(has_heard) = self.called.get_mut(&id).filter(|has_heard| may_hear && !**has_heard) {
            *has_heard = true;
            self.resting.remove(&id);
            return true;
        }
        self.resting.insert(id, Rest { cluster, since_ms, seen_ms: now_ms });
        false
    }

    /// What is asked now, where it is time for a question.
    pub fn question(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        if now_ms < self.ask_at_ms {
            return None;
        }
        let calls = now_ms < self.called_until_ms && !self.called.is_empty();
        self.ask_at_ms = now_ms + if calls { ASK_MS } else { PEACE_MS };
        self.resting.retain(|_, rest| rest.seen_ms + SEEN_MS > now_ms);
        let mut message = Vec::new();
        for (id, since_ms) in self.offers().into_iter().take(MOST) {
            push_offer(&mut message, id, u32::try_from(now_ms.saturating_sub(since_ms)).unwrap_or(u32::MAX));
        }
        Some(framed(&message))
    }

    /// Those that rest, and since when: first who is called already and has not gone, as the brain is to go on with them; then of
    /// each cluster in turn who has rested for longest, so that none hides another.
    fn offers(&self) -> Vec<(&str, u64)> {
        let mut oldest: Vec<_> = self.resting.iter().map(|(id, rest)| (rest.since_ms, id, &rest.cluster)).collect();
        oldest.sort_unstable();
        let mut turns = HashMap::new();
        let mut in_turn: Vec<_> = oldest
            .into_iter()
            .map(|(since_ms, id, cluster)| {
                if self.called.contains_key(id) {
                    return (0, since_ms, id);
                }
                let turn = turns.entry(cluster).or_insert(0);
                *turn += 1;
                (*turn, since_ms, id)
            })
            .collect();
        in_turn.sort_unstable();
        in_turn.into_iter().map(|(_, since_ms, id)| (id.as_str(), since_ms)).collect()
    }

    /// Whoever has asked will not hear the answer.
    pub fn ask_again(&mut self) {
        self.ask_at_ms = 0;
    }

    /// The question that was asked at `asked_ms` is answered with this body; what overtook it counts.
    pub fn answered(&mut self, asked_ms: u64, body: &[u8]) {
        if asked_ms < self.answered_ms {
            return;
        }
        if let Some(ids) = answer(body) {
            self.answered_ms = asked_ms;
            self.called_until_ms = asked_ms + CALLED_MS;
            if !ids.is_empty() {
                self.ask_at_ms = self.ask_at_ms.min(asked_ms + ASK_MS);
            }
            self.called = ids.into_iter().map(|id| (id, false)).collect();
        }
    }
}

fn push_offer(message: &mut Vec<u8>, id: &str, idle_ms: u32) {
    let mut offer = Vec::new();
    push_text(&mut offer, TEXT_1, id.as_bytes());
    push_number(&mut offer, NUMBER_2, idle_ms);
    // An id has 32 bytes: less than 127 with all that stands around it.
    push_text(message, TEXT_1, &offer);
}

/// Ids of the connections that shall end; `None` where this is no answer.
pub fn answer(body: &[u8]) -> Option<Vec<String>> {
    let message = unframed(body)?;
    let fields = message.chunks(2 + ID_BYTES);
    if fields.len() > MOST {
        return None;
    }
    fields
        .map(|field| match field {
            [TEXT_1, length, id @ ..] if usize::from(*length) == ID_BYTES && id.len() == ID_BYTES => {
                std::str::from_utf8(id).ok().map(str::to_owned)
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
#[path = "surplus_tests.rs"]
mod tests;
