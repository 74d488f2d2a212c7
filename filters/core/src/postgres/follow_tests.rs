use std::cell::Cell;

use super::*;
use crate::tally::Counts;

/// A message; the body is what matters nowhere.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((body.len() as u32 + 4).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// One letter a message, in either direction: `Z` is followed by its status.
fn messages(letters: &str) -> Vec<u8> {
    let mut letters = letters.bytes();
    let mut bytes = Vec::new();
    while let Some(kind) = letters.next() {
        let body = if kind == b'Z' { vec![letters.next().unwrap()] } else { vec![b'Z'; 7] };
        bytes.extend(message(kind, &body));
    }
    bytes
}

struct Session {
    follow: Follow,
    now_us: Cell<u64>,
    times: Vec<u64>,
}

impl Session {
    /// Logged in at 1 ms; each event that reads the clock takes 1 ms.
    fn new() -> Self {
        let mut follow = Follow::default();
        follow.client_sent(b"\0\0\0\x0c\0\x03\0\0abcd", || unreachable!("nothing changes"));
        follow.logged_in(1_000);
        let mut session = Self { follow, now_us: Cell::new(1_000), times: Vec::new() };
        session.server_bytes(b"I");
        session
    }

    fn tick(now_us: &Cell<u64>) -> u64 {
        now_us.set(now_us.get() + 1_000);
        now_us.get()
    }

    fn server_bytes(&mut self, bytes: &[u8]) {
        let now_us = &self.now_us;
        self.follow.server_sent(bytes, || Self::tick(now_us), |took| self.times.push(took));
    }

    /// `client > server > client …`, byte by byte; returns the state and the number of transactions.
    fn says(&mut self, talk: &str) -> (State, u64) {
        for (turn, letters) in talk.split('>').enumerate() {
            for byte in messages(letters.trim()) {
                if turn % 2 == 0 {
                    let now_us = &self.now_us;
                    self.follow.client_sent(&[byte], || Self::tick(now_us));
                } else {
                    self.server_bytes(&[byte]);
                }
            }
        }
        (self.follow.tally().state(), self.follow.tally().counts().transactions)
    }
}

fn after(talk: &str) -> (State, u64) {
    Session::new().says(talk)
}

#[test]
fn the_status_of_ready_for_query_is_the_state() {
    assert_eq!(after("Q > TDDCZI"), (State::Idle, 1));
    assert_eq!(after("Q > CZT"), (State::Transaction, 0));
    assert_eq!(after("Q > CZT > Q > EZE"), (State::FailedTransaction, 0));
    assert_eq!(after("Q > CZT > Q > EZE > Q > CZI"), (State::Idle, 1));
    assert_eq!(after("Q > TDD"), (State::Active, 0));
}

#[test]
fn work_without_a_sync_stays_active() {
    assert_eq!(after("PBDEH > 12TDC"), (State::Active, 0));
    assert_eq!(after("PBDEH > 12TDC > S > ZI"), (State::Idle, 1));
}

#[test]
fn each_sync_of_a_pipeline_is_answered_once() {
    let pipeline = "PBDESPBDESPBDES";
    assert_eq!(after(&format!("{pipeline} > 12TDCZI12TDCZI")), (State::Active, 2));
    assert_eq!(after(&format!("{pipeline} > 12TDCZI12TDCZI12TDCZI")), (State::Idle, 3));
    assert_eq!(after(&format!("{} > {}", "PBES".repeat(500), "12CZI".repeat(500))), (State::Idle, 500));
}

#[test]
fn a_failed_pipeline_is_over_with_its_sync() {
    assert_eq!(after("PBEPBEPBES > 12CE > > ZI"), (State::Idle, 1));
}

#[test]
fn what_the_server_drops_behind_an_error_is_not_waited_for() {
    assert_eq!(after("PBEQS > EZI"), (State::Idle, 1));
    assert_eq!(after("PBEQQFS > 12EZI"), (State::Idle, 1));
    assert_eq!(after("PBEQS > 12CEZIZI"), (State::Idle, 1), "the Query's own");
    assert_eq!(after("PDBECQS > 1tT2C3TDCZIZI"), (State::Idle, 1));
    assert_eq!(after("PBEQS > 1E > > ZT"), (State::Transaction, 0));
    assert_eq!(after("QPBEQSQ > CZI1EZI"), (State::Active, 2));
    assert_eq!(after("QPBEQSQ > CZI1EZICZI"), (State::Idle, 3));
}

#[test]
fn behind_an_error_a_session_rests_when_its_sync_is_answered_and_no_earlier() {
    assert_eq!(after("PH > E"), (State::Active, 0));
    assert_eq!(after("PH > E > QFPBDECHdcf"), (State::Active, 0));
    assert_eq!(after("PH > E > QFPBDECHdcfS"), (State::Active, 0));
    assert_eq!(after("PH > E > QFPBDECHdcfS > ZI"), (State::Idle, 1));
    assert_eq!(after("PH > E > QSQ > ZI"), (State::Active, 1));
    assert_eq!(after("PBEQ > 1E > Q"), (State::Active, 0));
    assert_eq!(after("PBEQ > 1E > QS > ZI > Q > CZI"), (State::Idle, 2));
}

#[test]
fn a_query_ends_what_has_no_sync_as_a_sync_would() {
    assert_eq!(after("PBEH > 12C > Q > EZI"), (State::Idle, 1));
    assert_eq!(after("PBEQ > 12CCZI"), (State::Idle, 1));
    assert_eq!(after("PBEQ > 12C > PBEQS > CZI12EZI"), (State::Idle, 2), "one pair behind the other");
}

#[test]
fn a_copy_that_fails_drops_a_query_behind_it() {
    assert_eq!(after("PBES > 12G > dcQS > EZI"), (State::Idle, 1));
    assert_eq!(after("PBES > 12G > dcQS > CCZIZI"), (State::Idle, 1));
    assert_eq!(after("PBESdcQS > 12GEZI"), (State::Idle, 1));
    assert_eq!(after("PBESdcPBEQS > 12GC1EZI"), (State::Idle, 1));
}

#[test]
fn what_cannot_be_told_apart_is_followed_no_further() {
    let unfollowed = |talk: &str| assert_eq!(after(talk).0, State::Unfollowed, "{talk}");
    unfollowed("PBEQPBEQ");
    unfollowed(&format!("{}PBEQ", "Q".repeat(32)));
    unfollowed(&format!("PBEQ{} > E", "Q".repeat(32)));
    unfollowed("Q > G > dSdc > E");
    unfollowed("PBESdcQPBEQ > 12G");
    unfollowed("PH > E > > G");
    unfollowed("PBEdc");
    unfollowed("PBESPBEf");
    unfollowed(&format!("{}c", "Q".repeat(33)));
    unfollowed("QdHS");
    unfollowed("QdQ");
    unfollowed("Q > G > dQ");
}

#[test]
fn a_sync_behind_nothing_is_no_transaction() {
    assert_eq!(after("S > ZI"), (State::Idle, 0));
    assert_eq!(after("CS > 3ZI"), (State::Idle, 0));
    assert_eq!(after("Q > CZT > S > ZT > Q > CZI > S > ZI"), (State::Idle, 1));
}

#[test]
fn what_nobody_answers_changes_nothing() {
    assert_eq!(after("Hdcf"), (State::Idle, 0));
    assert_eq!(after("Q > CZI > Hdcf > NAS"), (State::Idle, 1));
    assert_eq!(after("X"), (State::Idle, 0));
}

#[test]
fn copy_from_the_client_by_query() {
    assert_eq!(after("Q > G > ddd"), (State::Active, 0));
    assert_eq!(after("Q > G > ddSHdc > CZI"), (State::Idle, 1));
    assert_eq!(after("Q > G > df > EZI"), (State::Idle, 1));
    assert_eq!(after("Q > G > d > EZI > ddc > > Q > CZI"), (State::Idle, 2));
    assert_eq!(after("QddcQ > GCZICZI"), (State::Idle, 2));
    assert_eq!(after("Q > G > dc > G > dc > CZI"), (State::Idle, 1), "two copies in one Query");
}

#[test]
fn a_sync_before_the_end_of_a_copy_is_dropped_by_the_server() {
    assert_eq!(after("PBDES > 12G > ddc"), (State::Active, 0));
    assert_eq!(after("PBDES > 12G > ddcS > CZI"), (State::Idle, 1));
    assert_eq!(after("PBDESddcS > 12GCZI"), (State::Idle, 1));
    assert_eq!(after("PBDEH > 12G > ddcS > CZI"), (State::Idle, 1));
    assert_eq!(after("PBESPBESddcSPBES > 12CZI12GCZI12CZI"), (State::Idle, 3));
    assert_eq!(after("PBDES > 12G > d > E > dc > > S > ZI"), (State::Idle, 1), "failed by the server");
}

#[test]
fn copy_to_the_client_and_both_ways() {
    assert_eq!(after("Q > HdddcCZI"), (State::Idle, 1));
    assert_eq!(after("Q > Wdd > dd > dd"), (State::Active, 0));
    assert_eq!(after("Q > Wdd > c > cCCZI"), (State::Idle, 1));
}

#[test]
fn statements_and_errors_are_counted() {
    let mut session = Session::new();
    session.says("Q > CZI > F > VZI > PBEBEBES > 12C2CEZI");
    let counts = session.follow.tally().counts();
    assert_eq!(counts, Counts { transactions: 3, queries: 5, errors: 1 });
}

#[test]
fn a_transaction_lasts_until_the_session_is_idle_again() {
    let mut session = Session::new();
    session.says("Q > ZT > Q > ZT > Q > ZI > QQ > ZIZI");
    assert_eq!(session.times, [5_000, 1_000, 1_000]);
}

#[test]
fn what_no_server_would_say_is_followed_no_further() {
    assert_eq!(after(" > ZI"), (State::Unfollowed, 0));
    assert_eq!(after("Q > ZX"), (State::Unfollowed, 0));
    assert_eq!(after(" > G"), (State::Unfollowed, 0));
    assert_eq!(after(&format!("{} > G", "PBES".repeat(33))), (State::Unfollowed, 0));
    let mut session = Session::new();
    session.server_bytes(b"D\0\0\0\x03");
    assert_eq!(session.says("Q > CZI"), (State::Unfollowed, 0));
}

#[test]
fn a_message_that_has_begun_is_no_place_for_another() {
    let mut session = Session::new();
    assert!(session.follow.is_between_messages());
    session.server_bytes(b"A\0\0\0\x09");
    assert!(!session.follow.is_between_messages());
    session.server_bytes(b"12345");
    assert!(session.follow.is_between_messages());
    session.follow.client_sent(b"Q", || 0);
    assert!(!session.follow.is_between_messages());
}

#[test]
fn a_client_that_asks_before_it_is_let_in_is_active_at_once() {
    let mut follow = Follow::default();
    follow.client_sent(b"\0\0\0\x08\0\x03\0\0Q\0\0\0\x05", || 0);
    follow.logged_in(1_000);
    assert_eq!(follow.tally().state(), State::Active);
}

#[test]
fn a_session_that_is_not_followed_before_its_login_is_not_followed_behind_it() {
    let mut follow = Follow::default();
    follow.client_sent(b"\0\0\0\x08\0\x03\0\0Q\0\0\0\x03", || 500);
    follow.logged_in(1_000);
    follow.server_sent(b"I", || 2_000, |_| {});
    assert_eq!((follow.tally().state(), follow.tally().since_us()), (State::Unfollowed, 500));
}

#[test]
fn what_is_kept_of_a_session_is_bounded() {
    assert_eq!(std::mem::size_of::<Follow>(), 200);
}
