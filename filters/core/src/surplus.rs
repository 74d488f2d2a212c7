//! Idle sessions that may end when there are more than the limits allow: the roll of those of a node that rest for long enough, offered to
//! the brain, and whom it calls. protos/sluice/v1/sessions.proto in gRPC's framing.

use std::collections::{HashMap, HashSet};

use crate::grpc::{TEXT_1, framed, push_text_1, unframed};

/// Where it is asked.
pub const PATH: &str = "/sluice.v1.Sessions/Surplus";
/// Digits of a connection's id.
const ID_BYTES: usize = 32;
/// Offered, and called, at once: those that have rested for longest.
const MOST: usize = 1_000;
/// Field 2, a number.
const NUMBER_2: u8 = 0x10;
/// Between two questions while sessions are called, and while none is.
const ASK_MS: u64 = 1_000;
const PEACE_MS: u64 = 5_000;
/// A session that has not looked for so long rests no more.
const SEEN_MS: u64 = 5_000;
/// From the question on a call counts: the brain calls again whom it still means.
const CALLED_MS: u64 = 7_000;

/// The sessions of one node that rest.
#[derive(Default)]
pub struct Roll {
    resting: HashMap<String, Rest>,
    called: HashSet<String>,
    called_until_ms: u64,
    ask_at_ms: u64,
    /// Of the question that was answered last.
    answered_ms: u64,
}

struct Rest {
    since_ms: u64,
    seen_ms: u64,
}

impl Roll {
    /// A session that rests for long enough looks. True where it is called.
    pub fn look(&mut self, id: String, since_ms: u64, now_ms: u64) -> bool {
        if now_ms < self.called_until_ms && self.called.remove(&id) {
            self.resting.remove(&id);
            return true;
        }
        self.resting.insert(id, Rest { since_ms, seen_ms: now_ms });
        false
    }

    /// What is asked now, where it is time for a question.
    pub fn question(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        if now_ms < self.ask_at_ms {
            return None;
        }
        self.ask_at_ms = now_ms + if self.called.is_empty() { PEACE_MS } else { ASK_MS };
        self.resting.retain(|_, rest| rest.seen_ms + SEEN_MS > now_ms);
        let mut offers: Vec<_> = self.resting.iter().map(|(id, rest)| (rest.since_ms, id)).collect();
        offers.sort_unstable();
        let mut message = Vec::new();
        for (since_ms, id) in offers.into_iter().take(MOST) {
            push_offer(&mut message, id, u32::try_from(now_ms.saturating_sub(since_ms)).unwrap_or(u32::MAX));
        }
        Some(framed(&message))
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
            self.called = ids.into_iter().collect();
        }
    }
}

fn push_offer(message: &mut Vec<u8>, id: &str, idle_ms: u32) {
    let mut offer = Vec::new();
    push_text_1(&mut offer, id);
    offer.push(NUMBER_2);
    let mut left = idle_ms;
    while left > 0x7f {
        offer.push(left as u8 | 0x80);
        left >>= 7;
    }
    offer.push(left as u8);
    // An id has 32 bytes: less than 127 with all that stands around it.
    message.extend([TEXT_1, offer.len() as u8]);
    message.extend(offer);
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
mod tests {
    use super::*;

    fn id(letter: char) -> String {
        letter.to_string().repeat(ID_BYTES)
    }

    fn body(ids: &[String]) -> Vec<u8> {
        framed(&ids.iter().flat_map(|id| [&[0x0a, 32], id.as_bytes()].concat()).collect::<Vec<u8>>())
    }

    fn offer(letter: char, idle: &[u8]) -> Vec<u8> {
        [&[0x0a, 35 + idle.len() as u8, 0x0a, 32], id(letter).as_bytes(), &[0x10], idle].concat()
    }

    #[test]
    fn those_that_rest_are_offered_the_longest_first() {
        let mut roll = Roll::default();
        assert!(!roll.look(id('a'), 900, 1_000));
        assert!(!roll.look(id('b'), 700, 1_000));
        let expected = framed(&[offer('b', &[0xac, 2]), offer('a', &[100])].concat());
        assert_eq!(roll.question(1_000), Some(expected));
    }

    #[test]
    fn one_asks_for_all_and_more_often_while_some_are_called() {
        let mut roll = Roll::default();
        assert!(roll.question(1_000).is_some());
        assert_eq!(roll.question(1_000 + PEACE_MS - 1), None);
        let asked_ms = 1_000 + PEACE_MS;
        assert!(roll.question(asked_ms).is_some());
        roll.answered(asked_ms, &body(&[id('a')]));
        assert_eq!(roll.question(asked_ms + ASK_MS - 1), None);
        assert!(roll.question(asked_ms + ASK_MS).is_some());
    }

    #[test]
    fn what_nobody_hears_the_answer_of_is_asked_again() {
        let mut roll = Roll::default();
        assert!(roll.question(1_000).is_some());
        roll.ask_again();
        assert!(roll.question(1_001).is_some());
    }

    #[test]
    fn whoever_is_called_learns_it_once_and_is_offered_no_more() {
        let mut roll = Roll::default();
        roll.look(id('a'), 0, 1_000);
        roll.question(1_000);
        roll.answered(1_000, &body(&[id('a')]));
        assert!(!roll.look(id('b'), 0, 2_000));
        assert!(roll.look(id('a'), 0, 2_000));
        assert!(!roll.look(id('a'), 0, 2_000));
    }

    #[test]
    fn a_call_is_old_when_its_question_is() {
        let mut roll = Roll::default();
        roll.answered(1_000, &body(&[id('a')]));
        assert!(!roll.look(id('a'), 0, 1_000 + CALLED_MS));
        roll.answered(9_000, &body(&[]));
        roll.answered(8_000, &body(&[id('a')]));
        assert!(!roll.look(id('a'), 0, 9_100), "a later question was answered otherwise");
    }

    #[test]
    fn who_looks_no_more_is_offered_no_more() {
        let mut roll = Roll::default();
        roll.look(id('a'), 0, 1_000);
        assert_eq!(roll.question(1_000 + SEEN_MS), Some(framed(&[])));
        assert!(roll.resting.is_empty());
    }

    #[test]
    fn an_answer_has_any_number_of_ids() {
        let ids = [id('a'), id('b')];
        assert_eq!(answer(&body(&ids)), Some(ids.to_vec()));
        assert_eq!(answer(&body(&[])), Some(vec![]));
        assert_eq!(answer(&body(&vec![id('a'); 1_001])), None);
    }

    #[test]
    fn anything_else_is_no_answer() {
        let short = framed(&[&[0x0a, 31], &[b'a'; 31][..]].concat());
        let field_2 = framed(&[&[0x12, 32], &[b'a'; 32][..]].concat());
        let no_text = framed(&[&[0x0a, 32], &[0xff; 32][..]].concat());
        for body in [&b""[..], b"0000", &short, &field_2, &no_text, &[0, 0, 0, 0, 1]] {
            assert_eq!(answer(body), None, "{body:?}");
        }
    }
}
