//! What a session is doing, and what it has done: the part of following that both protocols share.
//!
//! ```text
//!  Login ──▶ Idle ◀────────────── answered, no transaction open ────┐
//!              │                                                    │
//!              └── client asks ──▶ Active ◀── client asks ── Transaction, FailedTransaction
//!                                    └────── answered, transaction open ──▲
//!  anything that can't be explained ──▶ Unfollowed, for good: nothing is counted or enforced any more
//! ```
//!
//! Times are microseconds of the node's CLOCK_MONOTONIC, given as arguments.

use std::fmt::Write as _;

/// Upper bounds of the buckets of transaction times, in microseconds; the last bucket has none. The brain has the same list.
pub const BUCKET_BOUNDS_US: [u64; 15] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 60_000_000,
];
const BUCKETS: usize = BUCKET_BOUNDS_US.len() + 1;

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Not in yet.
    #[default]
    Login,
    /// The server waits for the client; no transaction is open.
    Idle,
    /// The client has asked and not been answered whole.
    Active,
    /// The server waits for the client within a transaction.
    Transaction,
    /// The same, and the transaction can only be rolled back (Postgres).
    FailedTransaction,
    /// It is not known.
    Unfollowed,
}

impl State {
    /// The word used in metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Transaction => "transaction",
            Self::FailedTransaction => "failed",
            Self::Unfollowed => "unfollowed",
        }
    }
}

/// How often things happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Times a session came to rest outside a transaction after it had asked for something.
    pub transactions: u64,
    /// Statements that the client asked for.
    pub queries: u64,
    /// Errors that the server answered with.
    pub errors: u64,
}

/// The account of one session.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    state: State,
    /// Since when it is in `state`.
    since_us: u64,
    /// Since when the transaction that is open is.
    transaction_since_us: u64,
    counts: Counts,
    transaction_us: u64,
    query_us: u64,
    histogram: [u32; BUCKETS],
}

impl Tally {
    /// What the session is doing.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when.
    pub fn since_us(&self) -> u64 {
        self.since_us
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Time in transactions that are over, whatever was done in them.
    pub fn transaction_us(&self) -> u64 {
        self.transaction_us
    }

    /// Is it waiting for the client?
    pub fn rests(&self) -> bool {
        matches!(self.state, State::Idle | State::Transaction | State::FailedTransaction)
    }

    pub(crate) fn logged_in(&mut self, now_us: u64) {
        self.enter(State::Idle, now_us);
    }

    /// True when that is news, and the clock must be read for [`Tally::asked`].
    pub(crate) fn is_news_that_asked(&self) -> bool {
        self.rests()
    }

    /// The client has asked for something.
    pub(crate) fn asked(&mut self, now_us: u64) {
        if self.state == State::Idle {
            self.transaction_since_us = now_us;
        }
        if self.rests() {
            self.enter(State::Active, now_us);
        }
    }

    pub(crate) fn query(&mut self) {
        self.counts.queries += 1;
    }

    pub(crate) fn error(&mut self) {
        self.counts.errors += 1;
    }

    /// A transaction has ended; another may begin at once, where the client has asked ahead. Returns its length.
    pub(crate) fn transaction_over(&mut self, now_us: u64) -> u64 {
        let took = now_us.saturating_sub(self.transaction_since_us);
        self.transaction_since_us = now_us;
        self.counts.transactions += 1;
        self.transaction_us += took;
        let bucket = BUCKET_BOUNDS_US.partition_point(|bound| *bound < took);
        if let Some(count) = self.histogram.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        took
    }

    /// All that was asked for is answered.
    pub(crate) fn answered(&mut self, state: State, now_us: u64) {
        if self.state == State::Active {
            self.query_us += now_us.saturating_sub(self.since_us);
        }
        self.enter(state, now_us);
    }

    pub(crate) fn unfollowed(&mut self, now_us: u64) {
        self.enter(State::Unfollowed, now_us);
    }

    /// Here, and nowhere else, so that nobody can forget it: what is unfollowed stays so.
    fn enter(&mut self, state: State, now_us: u64) {
        if self.state != State::Unfollowed {
            self.state = state;
            self.since_us = now_us;
        }
    }

    /// All of it in one line for the access log: state, since when (ms), transactions, queries, errors, time in
    /// transactions and time in which the server had the word (both µs), the histogram's counts up to the last that is not 0.
    pub fn line(&self) -> String {
        let Counts { transactions, queries, errors } = self.counts;
        let state = self.state.name();
        let since_ms = self.since_us / 1_000;
        let mut line =
            format!("{state} {since_ms} {transactions} {queries} {errors} {} {} ", self.transaction_us, self.query_us);
        let used = self.histogram.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        for (at, count) in self.histogram.iter().take(used).enumerate() {
            // Writing to a String does not fail.
            let _ = write!(line, "{}{count}", if at == 0 { "" } else { "," });
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_lasts_from_the_first_question_to_the_last_answer() {
        let mut tally = Tally::default();
        tally.logged_in(100);
        tally.asked(1_000);
        tally.answered(State::Transaction, 1_400);
        tally.asked(9_000);
        assert_eq!(tally.transaction_over(10_000), 9_000);
        tally.answered(State::Idle, 10_000);
        assert_eq!(tally.line(), "idle 10 1 0 0 9000 1400 0,0,0,0,1");
    }

    #[test]
    fn a_transaction_as_long_as_a_bound_is_below_it() {
        let mut tally = Tally::default();
        for took in [500, 501, 60_000_000, 60_000_001] {
            tally.transaction_since_us = 7;
            tally.transaction_over(7 + took);
        }
        assert!(tally.line().ends_with(" 1,1,0,0,0,0,0,0,0,0,0,0,0,0,1,1"), "{}", tally.line());
    }

    #[test]
    fn what_was_asked_ahead_begins_when_the_one_before_is_over() {
        let mut tally = Tally::default();
        tally.logged_in(0);
        tally.asked(1_000);
        assert_eq!(tally.transaction_over(3_000), 2_000);
        assert_eq!(tally.transaction_over(4_000), 1_000);
        tally.answered(State::Idle, 4_000);
        assert_eq!(tally.line(), "idle 4 2 0 0 3000 3000 0,1,1");
    }

    #[test]
    fn what_is_unfollowed_stays_so() {
        for happens in [
            |tally: &mut Tally| tally.logged_in(9_000),
            |tally: &mut Tally| tally.asked(9_000),
            |tally: &mut Tally| tally.answered(State::Idle, 9_000),
            |tally: &mut Tally| tally.unfollowed(9_000),
        ] {
            let mut tally = Tally::default();
            tally.unfollowed(5_000);
            happens(&mut tally);
            assert_eq!(
                (tally.state(), tally.since_us(), tally.line()),
                (State::Unfollowed, 5_000, "unfollowed 5 0 0 0 0 0 ".to_owned())
            );
        }
    }

    #[test]
    fn the_account_of_a_session_is_bounded() {
        assert_eq!(std::mem::size_of::<Tally>(), 128);
    }
}
