//! A session's account: its bytes are followed, and what it does is told to Envoy's statistics and, in the connection's
//! metadata, to the brain.
//!
//! Metadata costs a copy of its namespace, so it is written with the login, at most once a second from then on, and before
//! the end; a count that has not changed is not written again.

use sluice_abi::{Buffer, Connection, Counter, Histogram, Stats, monotonic_us};
use sluice_core::config::Protocol;
use sluice_core::limits::{Limits, Next, Reached, Standing};
use sluice_core::login_deadline;
use sluice_core::mysql::commands::Started;
use sluice_core::mysql::{self, wire::Wire};
use sluice_core::postgres::{self, error_code::ErrorCode};
use sluice_core::tally::{Counts, State, Tally};
use sluice_core::verdict;

use super::scheduled::{LIMITS, LOGIN_OVERDUE, REPORT};
use crate::NAMESPACE;
use crate::deadline::Alarm;

const REPORT_MS: u64 = 1_000;
/// When a limit is reached amid a message of the server, as soon again.
const AGAIN_MS: u64 = 1_000;

/// What Envoy counts for the sessions of one protocol.
#[derive(Clone, Copy)]
pub struct Counters {
    logins: Counter,
    logins_failed: Counter,
    transactions: Counter,
    queries: Counter,
    query_errors: Counter,
    unfollowed: Counter,
    idle_session: Counter,
    idle_transaction: Counter,
    max_age: Counter,
    surplus: Counter,
    login_deadline: Counter,
    transaction_time_us: Histogram,
}

impl Counters {
    /// Defines them.
    pub fn define(protocol: Protocol, stats: &Stats<'_>) -> Result<Self, String> {
        let named = |name: &str| format!("sluice.{}.{name}", protocol.name());
        let counter = |name: &str| stats.counter(&named(name));
        Ok(Self {
            logins: counter("logins")?,
            logins_failed: counter("logins_failed")?,
            transactions: counter("transactions")?,
            queries: counter("queries")?,
            query_errors: counter("query_errors")?,
            unfollowed: counter("unfollowed")?,
            idle_session: counter("ended_idle_session")?,
            idle_transaction: counter("ended_idle_transaction")?,
            max_age: counter("ended_max_age")?,
            surplus: counter("ended_surplus")?,
            login_deadline: counter("ended_login_deadline")?,
            transaction_time_us: stats.histogram(&named("transaction_time_us"))?,
        })
    }
}

enum Follow {
    /// And the error by which its login fails.
    Postgres(Box<postgres::follow::Follow>, Option<ErrorCode>),
    Mysql(Box<mysql::follow::Follow>),
}

pub struct Following {
    follow: Follow,
    counters: Counters,
    limits: Limits,
    granted_ms: u64,
    /// What Envoy's counters have of it.
    counted: Counts,
    /// The state's time when it was written last; none before the login is over.
    written_us: Option<u64>,
    report: Option<Alarm>,
    /// Until the login is over for its deadline, then for the limits.
    look: Option<Alarm>,
}

impl Following {
    /// Follows a Postgres session from its StartupMessage on.
    pub fn postgres(connection: &Connection<'_>, counters: Counters, login_deadline_ms: u64) -> Self {
        Self::from_grant(connection, counters, login_deadline_ms, Follow::Postgres(Box::default(), None))
    }

    /// Follows a MySQL session from the end of its login on.
    pub fn mysql(connection: &Connection<'_>, counters: Counters, login_deadline_ms: u64, wire: Option<Wire>) -> Self {
        let follow = Follow::Mysql(Box::new(mysql::follow::Follow::new(wire)));
        Self::from_grant(connection, counters, login_deadline_ms, follow)
    }

    fn from_grant(connection: &Connection<'_>, counters: Counters, login_deadline_ms: u64, follow: Follow) -> Self {
        let limits = Limits::granted(|key| connection.number(verdict::NAMESPACE, key));
        let granted_ms = monotonic_us() / 1_000;
        let counted = Counts::default();
        let look = Alarm::set(connection, login_deadline_ms, LOGIN_OVERDUE);
        Self { follow, counters, limits, granted_ms, counted, written_us: None, report: None, look }
    }

    fn tally(&self) -> &Tally {
        match &self.follow {
            Follow::Postgres(follow, _) => follow.tally(),
            Follow::Mysql(follow) => follow.tally(),
        }
    }

    /// True from the server's first acceptance on, whatever comes behind it.
    pub fn has_logged_in(&self) -> bool {
        self.written_us.is_some()
    }

    /// The server has let the client in, or again behind COM_CHANGE_USER; `fact` is told with that.
    pub fn logged_in(&mut self, connection: &Connection<'_>, fact: Option<(&str, &str)>) {
        let (now_us, counters) = (monotonic_us(), self.counters);
        let is_first = self.tally().state() == State::Login || !self.has_logged_in();
        match &mut self.follow {
            Follow::Postgres(follow, _) => follow.logged_in(now_us),
            Follow::Mysql(follow) => {
                follow.logged_in(now_us, |took| connection.record(counters.transaction_time_us, took));
            }
        }
        if is_first {
            connection.add(counters.logins, 1);
            let line = self.tally().line();
            let facts: Vec<_> = [("login", "ok"), ("activity", line.as_str())].into_iter().chain(fact).collect();
            // In one step: each copies all that was said of the connection before.
            connection.set_texts(NAMESPACE, &facts);
            self.written_us = Some(self.tally().since_us());
            self.count_unfollowed(connection);
            self.look_at_limits(connection, false, false);
        }
        self.note_change(connection);
    }

    /// The server has refused a COM_CHANGE_USER. What was said of the session's own login stays true.
    pub fn change_failed(&mut self, connection: &Connection<'_>) {
        let histogram = self.counters.transaction_time_us;
        if let Follow::Mysql(follow) = &mut self.follow {
            follow.change_failed(monotonic_us(), |took| connection.record(histogram, took));
        }
        self.note_change(connection);
    }

    /// The server has turned the client away; `errno` is MySQL's.
    pub fn login_failed(&mut self, connection: &Connection<'_>, errno: Option<u16>) {
        connection.add(self.counters.logins_failed, 1);
        match errno {
            Some(errno) => {
                let errno = errno.to_string();
                connection.set_texts(NAMESPACE, &[("login", "failed"), ("login_error", &errno)]);
            }
            None => connection.set_texts(NAMESPACE, &[("login", "failed")]),
        }
        if let Follow::Postgres(_, error) = &mut self.follow {
            *error = Some(ErrorCode::default());
        }
    }

    /// Bytes of a Postgres client that pass.
    pub fn client_sent(&mut self, connection: &Connection<'_>, buffer: &Buffer<'_>) {
        if let Follow::Postgres(follow, _) = &mut self.follow {
            buffer.chunks(|chunk| {
                follow.client_sent(chunk, monotonic_us);
                follow.tally().state() != State::Unfollowed
            });
        }
        self.note_change(connection);
    }

    /// A command of a MySQL client that passes. Say [`Following::note_change`] behind all of them.
    pub fn command(&mut self, started: Started) {
        if let Follow::Mysql(follow) = &mut self.follow {
            follow.client_sent(started, monotonic_us);
        }
    }

    /// COM_CHANGE_USER passes.
    pub fn changes_user(&mut self) {
        if let Follow::Mysql(follow) = &mut self.follow {
            follow.changes_user(monotonic_us());
        }
    }

    /// Bytes of the server behind the login. Say [`Following::note_change`] behind all of them.
    pub fn server_sent(&mut self, connection: &Connection<'_>, chunk: &[u8]) {
        let histogram = self.counters.transaction_time_us;
        let ended = |took| connection.record(histogram, took);
        match &mut self.follow {
            Follow::Postgres(_, Some(error)) => {
                if let Some(code) = error.read(chunk) {
                    connection.set_texts(NAMESPACE, &[("login_error", code)]);
                }
            }
            Follow::Postgres(follow, None) => follow.server_sent(chunk, monotonic_us, ended),
            Follow::Mysql(follow) => follow.server_sent(chunk, monotonic_us, ended),
        }
    }

    /// What has changed is written soon, and a session that has come to rest too old is looked at now.
    pub fn note_change(&mut self, connection: &Connection<'_>) {
        let (state, since_us) = (self.tally().state(), self.tally().since_us());
        if self.written_us.is_none_or(|written_us| written_us == since_us) {
            return;
        }
        if self.report.is_none() {
            self.report = Alarm::set(connection, REPORT_MS, REPORT);
        }
        let too_old = self.limits.too_old_ms(self.granted_ms).is_some_and(|at| since_us / 1_000 >= at);
        if too_old
            && state == State::Idle
            && let Some(scheduler) = connection.scheduler()
        {
            scheduler.commit(LIMITS);
        }
    }

    /// Writes what has changed.
    pub fn write(&mut self, connection: &Connection<'_>) {
        self.report = None;
        let (since_us, counts, counters) = (self.tally().since_us(), self.tally().counts(), self.counters);
        if self.written_us.is_none_or(|written_us| written_us == since_us) {
            return;
        }
        self.written_us = Some(since_us);
        connection.set_texts(NAMESPACE, &[("activity", &self.tally().line())]);
        let before = std::mem::replace(&mut self.counted, counts);
        for (counter, now, before) in [
            (counters.transactions, counts.transactions, before.transactions),
            (counters.queries, counts.queries, before.queries),
            (counters.query_errors, counts.errors, before.errors),
        ] {
            if now > before {
                connection.add(counter, now - before);
            }
        }
        self.count_unfollowed(connection);
    }

    /// Say it where the state is written: what is unfollowed changes no more and is written once.
    fn count_unfollowed(&self, connection: &Connection<'_>) {
        if self.tally().state() == State::Unfollowed {
            connection.add(self.counters.unfollowed, 1);
        }
    }

    /// Since when it rests, where that is so long that it may be called.
    pub fn may_be_called_since_ms(&self) -> Option<u64> {
        let standing = self.standing(false);
        self.limits.may_be_called(standing, monotonic_us() / 1_000).then_some(standing.since_ms)
    }

    /// The limit that is reached; `client_rests` where no message of the client has begun to pass, `is_called` where there are
    /// more sessions than there may be and this one shall go.
    pub fn look_at_limits(
        &mut self,
        connection: &Connection<'_>,
        client_rests: bool,
        is_called: bool,
    ) -> Option<Reached> {
        let standing = self.standing(is_called);
        let now_ms = monotonic_us() / 1_000;
        let again_ms = match self.limits.judge(standing, now_ms) {
            Next::End(reached) if client_rests && self.is_between_messages() => return Some(reached),
            Next::End(_) => AGAIN_MS,
            Next::Look(at_ms) => at_ms.saturating_sub(now_ms),
            Next::Never => {
                self.look = None;
                return None;
            }
        };
        self.look = Alarm::set(connection, again_ms, LIMITS);
        None
    }

    /// The session is ended by `reached`.
    pub fn ends_by(&self, connection: &Connection<'_>, reached: Reached) {
        let counter = match reached {
            Reached::IdleSession => self.counters.idle_session,
            Reached::IdleTransaction => self.counters.idle_transaction,
            Reached::Age => self.counters.max_age,
            Reached::Surplus => self.counters.surplus,
        };
        connection.add(counter, 1);
        connection.set_texts(NAMESPACE, &[("ended_by", reached.word())]);
    }

    /// The login is ended by its deadline.
    pub fn login_is_overdue(&self, connection: &Connection<'_>) {
        connection.add(self.counters.login_deadline, 1);
        connection.set_texts(NAMESPACE, &[("ended_by", login_deadline::WORD)]);
    }

    fn standing(&self, is_called: bool) -> Standing {
        Standing {
            state: self.tally().state(),
            since_ms: self.tally().since_us() / 1_000,
            is_certain: self.is_certain(),
            granted_ms: self.granted_ms,
            is_called,
        }
    }

    fn is_certain(&self) -> bool {
        match &self.follow {
            Follow::Postgres(..) => true,
            Follow::Mysql(follow) => follow.is_certain(),
        }
    }

    /// True where a message of one's own to the client would come between two of the server's.
    pub fn is_between_messages(&self) -> bool {
        match &self.follow {
            Follow::Postgres(follow, _) => follow.is_between_messages(),
            Follow::Mysql(follow) => follow.is_between_packets(),
        }
    }
}
