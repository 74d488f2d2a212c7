//! How long a session may be idle, idle within a transaction, and live at all.
//!
//! A query is never cut; a transaction only by the limit that is its own; what is not followed, not at all. Whether two
//! messages of the wire meet here and now is the caller's to see.

use crate::refusal::Refusal;
use crate::tally::State;

/// The limits of one session; absent ones are none. They are those of its grant for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Idle outside a transaction.
    pub idle_session_ms: Option<u64>,
    /// Idle within one.
    pub idle_transaction_ms: Option<u64>,
    /// From its grant on.
    pub max_age_ms: Option<u64>,
    /// Idle outside a transaction, while there are more sessions than there may be and the brain calls this one.
    pub surplus_ms: Option<u64>,
}

/// The longest that is taken, some 24 days; the brain's spec allows no longer one.
pub const MAX_LIMIT_MS: u64 = i32::MAX as u64;

/// A session that may be called looks as often whether it is.
const SURPLUS_LOOK_MS: u64 = 2_000;

/// The limit that a session has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// `idle_session_ms`.
    IdleSession,
    /// `idle_transaction_ms`.
    IdleTransaction,
    /// `max_age_ms`.
    Age,
    /// `surplus_ms`.
    Surplus,
}

/// What to do about a session's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// End it.
    End(Reached),
    /// Look again at this time: it can't be due before, whatever happens until then.
    Look(u64),
    /// Nothing will ever be due.
    Never,
}

/// What a session is doing, as far as its limits ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What it does.
    pub state: State,
    /// Since when, in milliseconds.
    pub since_ms: u64,
    /// False when what seems to be no transaction may be one.
    pub is_certain: bool,
    /// When it was granted.
    pub granted_ms: u64,
    /// The brain has called it.
    pub is_called: bool,
}

impl Limits {
    /// The limits as the grant's metadata says them; what is no positive number is none.
    pub fn granted(number: impl Fn(&str) -> Option<f64>) -> Self {
        let limit = |key| number(key).filter(|ms| *ms >= 1.0).map(|ms| (ms as u64).min(MAX_LIMIT_MS));
        Self {
            idle_session_ms: limit("idle_session_ms"),
            idle_transaction_ms: limit("idle_transaction_ms"),
            max_age_ms: limit("max_age_ms"),
            surplus_ms: limit("surplus_ms"),
        }
    }

    /// Whether it has been idle for so long that it may be called.
    pub fn may_be_called(&self, standing: Standing, now_ms: u64) -> bool {
        standing.is_idle() && self.surplus_ms.is_some_and(|ms| standing.since_ms + ms <= now_ms)
    }

    /// When the session is too old.
    pub fn too_old_ms(&self, granted_ms: u64) -> Option<u64> {
        self.max_age_ms.map(|age| granted_ms + age)
    }

    /// Judges a session at `now_ms`.
    pub fn judge(&self, standing: Standing, now_ms: u64) -> Next {
        let Standing { state, since_ms, granted_ms, is_called, .. } = standing;
        let idle = standing.is_idle();
        let in_transaction = matches!(state, State::Transaction | State::FailedTransaction);
        // Where it is not in the state that a limit is about, it can enter it now at the earliest.
        let due = |limit: Option<u64>, in_state| limit.map(|ms| ms + if in_state { since_ms } else { now_ms });
        let session = due(self.idle_session_ms, idle);
        let transaction = due(self.idle_transaction_ms, in_transaction);
        let age = self.too_old_ms(granted_ms);
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now_ms);
        if state == State::Unfollowed {
            return Next::Never;
        }
        if idle && is_due(age) {
            return Next::End(Reached::Age);
        }
        if is_due(session) {
            return Next::End(Reached::IdleSession);
        }
        if is_due(transaction) {
            return Next::End(Reached::IdleTransaction);
        }
        let may_be_called = self.may_be_called(standing, now_ms);
        if may_be_called && is_called {
            return Next::End(Reached::Surplus);
        }
        let call = if may_be_called { Some(now_ms + SURPLUS_LOOK_MS) } else { due(self.surplus_ms, idle) };
        // One that is too old ends when it comes to rest, and is not looked at for that before.
        let age = age.filter(|at| *at > now_ms);
        [session, transaction, age, call].into_iter().flatten().min().map_or(Next::Never, Next::Look)
    }
}

impl Standing {
    fn is_idle(self) -> bool {
        self.state == State::Idle && self.is_certain
    }
}

impl Reached {
    /// The spec's own word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdleSession => "idle.session_ms",
            Self::IdleTransaction => "idle.transaction_ms",
            Self::Age => "idle.age_ms",
            Self::Surplus => "idle.surplus_ms",
        }
    }

    /// The word for it in metadata.
    pub fn word(self) -> &'static str {
        match self {
            Self::IdleSession => "idle_session",
            Self::IdleTransaction => "idle_transaction",
            Self::Age => "max_age",
            Self::Surplus => "surplus",
        }
    }

    /// The connection's termination details.
    pub fn details(self) -> &'static str {
        match self {
            Self::IdleSession => "sluice_idle_session",
            Self::IdleTransaction => "sluice_idle_transaction",
            Self::Age => "sluice_max_age",
            Self::Surplus => "sluice_surplus",
        }
    }

    /// The last words: Postgres' own, which drivers know by their code and some by their text; and MySQL's
    /// ER_CLIENT_INTERACTION_TIMEOUT.
    pub fn refusal(self, protocol: crate::config::Protocol) -> Refusal {
        let name = self.name();
        let (sqlstate, postgres, why) = match self {
            Self::IdleSession => (b"57P05", "terminating connection due to idle-session timeout", "inactivity"),
            Self::IdleTransaction => {
                (b"25P03", "terminating connection due to idle-in-transaction timeout", "inactivity in a transaction")
            }
            Self::Age => (b"57P01", "terminating connection due to administrator command", "its age"),
            Self::Surplus => (
                b"57P01",
                "terminating connection due to administrator command",
                "inactivity while there were more sessions than there may be",
            ),
        };
        match protocol {
            crate::config::Protocol::Postgres => {
                let mut refusal = Refusal::new(sqlstate, 4031, postgres);
                refusal.detail = Some(format!("The service's limit {name} was reached."));
                refusal
            }
            crate::config::Protocol::Mysql => {
                let text =
                    format!("The client was disconnected because of {why}: the service's limit {name} was reached");
                Refusal::new(sqlstate, 4031, text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Limits =
        Limits { idle_session_ms: Some(100), idle_transaction_ms: Some(50), max_age_ms: Some(1_000), surplus_ms: None };

    fn judge(state: State, since_ms: u64, now_ms: u64) -> Next {
        ALL.judge(Standing { state, since_ms, is_certain: true, granted_ms: 0, is_called: false }, now_ms)
    }

    #[test]
    fn an_idle_session_ends_when_its_limit_is_reached_and_no_earlier() {
        assert_eq!(judge(State::Idle, 200, 299), Next::Look(300));
        assert_eq!(judge(State::Idle, 200, 300), Next::End(Reached::IdleSession));
        assert_eq!(judge(State::Transaction, 200, 249), Next::Look(250));
        assert_eq!(judge(State::Transaction, 200, 250), Next::End(Reached::IdleTransaction));
        assert_eq!(judge(State::FailedTransaction, 200, 250), Next::End(Reached::IdleTransaction));
    }

    #[test]
    fn a_query_is_never_cut() {
        for now_ms in [200, 500, 999_999] {
            assert_eq!(judge(State::Active, 200, now_ms), Next::Look(now_ms + 50));
        }
    }

    #[test]
    fn age_ends_a_session_that_rests_outside_a_transaction() {
        assert_eq!(judge(State::Idle, 990, 1_000), Next::End(Reached::Age));
        assert_eq!(judge(State::Transaction, 990, 1_000), Next::Look(1_040));
        let alone = Limits { max_age_ms: Some(1_000), ..Limits::default() };
        let standing =
            Standing { state: State::Transaction, since_ms: 0, is_certain: true, granted_ms: 500, is_called: false };
        assert_eq!(alone.judge(standing, 0), Next::Look(1_500));
        assert_eq!(alone.judge(standing, 1_500), Next::Never, "whoever sees it come to rest ends it");
    }

    #[test]
    fn a_transaction_outlives_the_limits_of_idle_sessions() {
        let limits = Limits { idle_transaction_ms: None, ..ALL };
        let standing =
            Standing { state: State::Transaction, since_ms: 0, is_certain: true, granted_ms: 0, is_called: false };
        assert_eq!(limits.judge(standing, 99_999), Next::Look(100_099));
        let uncertain = Standing { state: State::Idle, is_certain: false, ..standing };
        assert_eq!(limits.judge(uncertain, 99_999), Next::Look(100_099));
    }

    #[test]
    fn an_idle_session_ends_for_others_when_it_is_called_and_no_earlier() {
        let limits = Limits { surplus_ms: Some(100), ..Limits::default() };
        let quiet = Standing { state: State::Idle, since_ms: 200, is_certain: true, granted_ms: 0, is_called: false };
        let called = Standing { is_called: true, ..quiet };
        assert_eq!(limits.judge(quiet, 299), Next::Look(300));
        assert_eq!(limits.judge(quiet, 300), Next::Look(300 + SURPLUS_LOOK_MS));
        assert_eq!(limits.judge(called, 299), Next::Look(300));
        assert_eq!(limits.judge(called, 300), Next::End(Reached::Surplus));
        for state in [State::Transaction, State::Active] {
            assert_eq!(limits.judge(Standing { state, ..called }, 900), Next::Look(1_000));
        }
        assert_eq!(limits.judge(Standing { is_certain: false, ..called }, 900), Next::Look(1_000));
        assert_eq!(Limits::default().judge(called, 900), Next::Never, "it was not said that it may be");
    }

    #[test]
    fn what_is_not_followed_has_no_limits() {
        assert_eq!(judge(State::Unfollowed, 0, 99_999), Next::Never);
        let standing = Standing { state: State::Idle, since_ms: 0, is_certain: true, granted_ms: 0, is_called: false };
        assert_eq!(Limits::default().judge(standing, 99_999), Next::Never);
    }

    #[test]
    fn a_limit_is_a_positive_number_or_none() {
        let granted = |value: f64| Limits::granted(|key| (key == "max_age_ms").then_some(value)).max_age_ms;
        let read = [0.0, -1.0, f64::NAN, 0.5, 1.0, 1e300].map(granted);
        assert_eq!(read, [None, None, None, None, Some(1), Some(MAX_LIMIT_MS)]);
    }
}
