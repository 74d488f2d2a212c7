//! The network filter `session`: carries out the verdict, speaks refusals, follows the login, and sees the server's end.
//!
//! ```text
//!  Waiting ── grant ──▶ Following ── server closed, or the protocol is broken ──▶ Ending ──▶ closed
//!     │   └─▶ Asking ──▶ ▲ │ └── no TLS where there should be ─────────────────────▲
//!     │                    └── limit reached, ──▶ Leaving ── server closed ────────▲
//!     │                        more than KILL,
//!     │                        login overdue
//!     └── refusal, expired, no answer ─────────────────────────────────────────────┘
//! ```

mod admitting;
mod asking;
mod claims;
mod ending;
mod following;
mod mysql;
mod postgres;
mod reaching;
mod upstream_tls;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use sluice_abi::{
    Buffer, Callout, Connection, Event as ConnectionEvent, NetworkFactory, NetworkFilter, Stats, Status, monotonic_ms,
};
use sluice_core::config::{self, Protocol, SessionConfig};
use sluice_core::postgres::cancel;
use sluice_core::postgres::tls_request::TlsRequest;
use sluice_core::refusal::Refusal;
use sluice_core::surplus::{self, Roll};
use sluice_core::tls_request::{self as words, Refused as NoTls};
use sluice_core::verdict;

use self::asking::ask_brain;
use self::following::{Counters, Following, LIMITS, LOGIN_OVERDUE, REPORT};
use self::mysql::Mysql;
use self::postgres::{OVERDUE, Postgres};
use self::reaching::{Reaching, stood_still};
use self::upstream_tls::UpstreamTls;
use crate::NAMESPACE;
use crate::deadline::Alarm;
use crate::farewell::{Farewell, LINGER_OVER, spoken};

const CLOSE: u64 = 1;
const LOOK_UPSTREAM: u64 = 2;
/// The time of a session for KILL alone is up. 3 to 5 are [`REPORT`], [`LIMITS`] and [`OVERDUE`], 7 [`LOGIN_OVERDUE`].
const KILL_OVER: u64 = 6;
/// The server has not closed. Not [`LINGER_OVER`]: it may still ring when the client has begun to read what the server left behind.
const LEAVE_OVER: u64 = 8;
const KILL_DETAILS: &str = "sluice_kill_session_over";
/// Longer than a brain waits for the leader's answer: a brain that does not answer in time counts as dead to Envoy.
const SURPLUS_PATIENCE_MS: u64 = 3_000;

pub struct Factory {
    config: SessionConfig,
    counters: Counters,
}

impl Factory {
    pub fn configured(json: &[u8], stats: &Stats<'_>) -> Result<Self, String> {
        let config = config::session(json)?;
        Ok(Self { config, counters: Counters::define(config.protocol, stats)? })
    }
}

impl NetworkFactory for Factory {
    fn create(&self, _connection: &Connection<'_>) -> Box<dyn NetworkFilter> {
        Box::new(Session {
            protocol: self.config.protocol,
            login_deadline_ms: self.config.login_deadline_ms,
            connect_grace_ms: self.config.connect_grace_ms,
            counters: self.counters,
            stage: Stage::Waiting,
            following: None,
            reaching: None,
            server_has_spoken: false,
            tls: None,
            only_kill: None,
            client_has_left: false,
            asks_for_all: None,
        })
    }
}

enum Stage {
    Waiting,
    /// A Postgres server is asked for TLS.
    Asking(TlsRequest),
    Postgres(Postgres),
    Mysql(Box<Mysql>),
    /// The client has read why, the server that it is over; its end is awaited.
    Leaving {
        details: &'static str,
        #[expect(dead_code, reason = "must live as long as the stage")]
        linger: Option<Alarm>,
    },
    /// Last bytes are on their way through Envoy; the close comes when they are.
    Ending {
        details: &'static str,
    },
    Closed(#[expect(dead_code, reason = "its alarm must live as long as the filter")] Farewell),
}

struct Session {
    protocol: Protocol,
    login_deadline_ms: u64,
    connect_grace_ms: u64,
    counters: Counters,
    stage: Stage,
    /// From the grant on.
    following: Option<Following>,
    /// Until the server is reached for certain.
    reaching: Option<Reaching>,
    /// A byte of the server's has come.
    server_has_spoken: bool,
    /// TLS was asked for and does not stand for certain yet.
    tls: Option<UpstreamTls>,
    only_kill: Option<OnlyKill>,
    /// The end of the client's stream went to the server.
    client_has_left: bool,
    /// It has asked for all that are on the roll, and when.
    asks_for_all: Option<(Callout, u64)>,
}

/// A session for KILL alone.
struct OnlyKill {
    instead: Refusal,
    #[expect(dead_code, reason = "rings while it is there")]
    life: Option<Alarm>,
}

/// A refusal and the number it bears in MySQL.
type Refused = (Refusal, u8);

impl NetworkFilter for Session {
    /// tcp_proxy picks its cluster when it learns of the connection: that must be after the verdict.
    fn on_new_connection(&mut self, _connection: &Connection<'_>) -> Status {
        Status::Stop
    }

    fn on_read(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>, end_stream: bool) -> Status {
        let outcome = match (&mut self.stage, &mut self.following) {
            // It gets no answer, whatever the verdict is, and none that could take it to a server.
            (Stage::Waiting, _) if self.protocol == Protocol::Postgres && cancel::begins(&buffer.copy(8)) => {
                self.stage = Stage::Closed(Farewell::silent(connection, "sluice_cancel_request"));
                Ok(Status::Stop)
            }
            (Stage::Waiting, _) => self.decide(connection, buffer),
            // What it has sent waits here for TLS, its end must not come before that, and nobody logs in who hears no answer.
            (Stage::Asking(_), _) if end_stream => return self.leave(connection),
            (Stage::Mysql(_), _) if end_stream && self.tls.as_ref().is_some_and(|tls| !tls.is_started()) => {
                return self.leave(connection);
            }
            (Stage::Asking(request), Some(following)) => {
                following.client_sent(connection, buffer);
                let taken = request.client_sent(&buffer.copy(usize::MAX));
                buffer.replace(b"");
                taken.map(|()| Status::Stop).map_err(|refusal| (refusal, 0))
            }
            (Stage::Postgres(_), Some(following)) => {
                following.client_sent(connection, buffer);
                Ok(Status::Continue)
            }
            (Stage::Mysql(mysql), Some(following)) => mysql.client_sent(connection, buffer, end_stream, following),
            _ => Ok(Status::Stop),
        };
        let status = outcome.unwrap_or_else(|(refusal, sequence)| {
            self.refuse(connection, &refusal, sequence, "sluice_session_refused");
            Status::Stop
        });
        if matches!(&self.stage, Stage::Mysql(mysql) if mysql.is_refused()) {
            // What it asked for before goes before.
            if status == Status::Continue {
                connection.send_upstream(&buffer.copy(usize::MAX), false);
            }
            buffer.replace(b"");
            self.end_kill(connection);
            return Status::Stop;
        }
        self.client_has_left |= end_stream && status == Status::Continue;
        status
    }

    fn on_write(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>, end_stream: bool) -> Status {
        if self.tls.as_ref().is_some_and(UpstreamTls::is_started) {
            self.tls = None;
            connection.hold_close(false);
        }
        let is_late = self.reaching.as_ref().is_some_and(Reaching::is_late);
        if self.tls.is_none() {
            self.reaching = None;
        }
        self.server_has_spoken |= !buffer.is_empty();
        let is_mute = end_stream && !self.server_has_spoken;
        let outcome = match (&mut self.stage, &mut self.following) {
            // A refusal of `startup` passes by.
            (Stage::Waiting, _) => return Status::Continue,
            (Stage::Asking(_) | Stage::Postgres(_) | Stage::Mysql(_), _) if is_late => {
                buffer.replace(b"");
                Err((stood_still(), self.sequence()))
            }
            (Stage::Postgres(_), _) if is_mute => Err((words::mute(), 0)),
            (Stage::Mysql(mysql), _) if is_mute => Err((words::mute(), mysql.answer_sequence())),
            (Stage::Asking(request), _) => {
                let answer = request.server_sent(&buffer.copy(2));
                buffer.replace(b"");
                match answer {
                    Some(answer) => answer.map(Some),
                    None if end_stream => Err(words::insecure(NoTls::Closed)),
                    None => Ok(None),
                }
                .map_err(|refusal| (refusal, 0))
            }
            (Stage::Postgres(postgres), Some(following)) => {
                postgres.server_sent(connection, buffer, end_stream, following);
                Ok(None)
            }
            (Stage::Mysql(mysql), Some(following)) => mysql.server_sent(connection, buffer, following),
            _ => {
                buffer.replace(b"");
                Ok(None)
            }
        };
        let outcome = outcome.and_then(|behind| behind.map_or(Ok(()), |behind| self.start_tls(connection, &behind)));
        if let Err((refusal, sequence)) = outcome {
            let relayed = buffer.copy(usize::MAX);
            buffer.replace(&[relayed, spoken(self.protocol, &refusal, sequence)].concat());
            self.end(connection, "sluice_session_refused");
        }
        if end_stream {
            // Its FIN: the server has freed what this connection held.
            connection.set_flag(NAMESPACE, "server_closed", true);
            let details = match self.stage {
                Stage::Leaving { details, .. } => details,
                _ => "sluice_server_closed",
            };
            self.end(connection, details);
        }
        Status::Continue
    }

    fn on_answered(&mut self, connection: &Connection<'_>, callout: Callout, body: Option<&[u8]>) {
        if let Some((_, asked_ms)) = self.asks_for_all.take_if(|(asked, _)| *asked == callout) {
            if let Some(body) = body {
                the_roll().answered(asked_ms, body);
            }
            return;
        }
        let (Stage::Mysql(mysql), Some(following)) = (&mut self.stage, &mut self.following) else { return };
        let is_over = match mysql.answered(connection, following, callout, body) {
            Ok(end_stream) => {
                self.client_has_left |= end_stream;
                mysql.is_refused()
            }
            Err((refusal, sequence)) => return self.refuse(connection, &refusal, sequence, "sluice_session_refused"),
        };
        if is_over {
            self.end_kill(connection);
        }
    }

    fn on_event(&mut self, connection: &Connection<'_>, event: ConnectionEvent) {
        if event != ConnectionEvent::Connected {
            self.write_account(connection);
            // Its alarm may ring once more.
            self.only_kill = None;
            if self.asks_for_all.take().is_some() {
                the_roll().ask_again();
            }
        }
    }

    fn on_scheduled(&mut self, connection: &Connection<'_>, event: u64) {
        match (event, &mut self.stage) {
            (OVERDUE, Stage::Postgres(postgres)) => postgres.overdue(connection),
            (CLOSE, Stage::Ending { details }) => {
                self.stage = Stage::Closed(Farewell::flush(connection, details));
                self.let_close(connection);
            }
            (REPORT, _) => self.write_account(connection),
            (LIMITS, Stage::Postgres(_)) => self.look_at_limits(connection, true),
            (LIMITS, Stage::Mysql(mysql)) => {
                let client_rests = mysql.is_between_packets();
                self.look_at_limits(connection, client_rests);
            }
            (LOGIN_OVERDUE, Stage::Asking(_) | Stage::Postgres(_) | Stage::Mysql(_)) => self.end_login(connection),
            (KILL_OVER, Stage::Mysql(mysql)) if mysql.is_logged_in() => self.end_kill(connection),
            (KILL_OVER, Stage::Mysql(mysql)) => {
                let sequence = mysql.answer_sequence();
                if let Some(OnlyKill { instead, .. }) = self.only_kill.take() {
                    self.refuse(connection, &instead, sequence, KILL_DETAILS);
                }
            }
            (LEAVE_OVER, Stage::Leaving { details, .. }) => {
                self.stage = Stage::Closed(Farewell::flush(connection, details));
            }
            (LINGER_OVER, Stage::Closed(_)) => {
                self.stage = Stage::Closed(Farewell::silent(connection, "sluice_linger_over"));
            }
            (LOOK_UPSTREAM, Stage::Asking(_) | Stage::Postgres(_)) if self.reaching.is_some() => {
                self.look_upstream(connection, 0)
            }
            (LOOK_UPSTREAM, Stage::Mysql(mysql)) if self.reaching.is_some() => {
                let sequence = mysql.answer_sequence();
                self.look_upstream(connection, sequence);
            }
            _ => {}
        }
    }
}

impl Session {
    /// The server agreed to TLS; `behind` is what it shall read behind it.
    fn start_tls(&mut self, connection: &Connection<'_>, behind: &[u8]) -> Result<(), Refused> {
        if !connection.start_upstream_tls() {
            return Err((words::insecure(NoTls::Unprepared), self.sequence()));
        }
        if let Some(tls) = &mut self.tls {
            tls.started();
        }
        if matches!(self.stage, Stage::Asking(_)) {
            let own = connection.text(NAMESPACE, "connection").unwrap_or_default();
            self.stage = Stage::Postgres(Postgres::admitted(own));
        }
        connection.send_upstream(behind, false);
        Ok(())
    }

    /// The number of an answer of ours; of no meaning in Postgres.
    fn sequence(&self) -> u8 {
        if let Stage::Mysql(mysql) = &self.stage { mysql.answer_sequence() } else { 0 }
    }

    fn write_account(&mut self, connection: &Connection<'_>) {
        if let Some(following) = &mut self.following {
            following.write(connection);
        }
    }

    fn look_at_limits(&mut self, connection: &Connection<'_>, client_rests: bool) {
        let rests_since_ms = self.following.as_ref().and_then(Following::may_be_called_since_ms);
        let is_called = rests_since_ms.is_some_and(|since_ms| self.look_at_roll(connection, since_ms));
        let Some(following) = &mut self.following else { return };
        if let Some(reached) = following.look_at_limits(connection, client_rests, is_called) {
            self.end_by(connection, reached);
        }
    }

    /// True where the brain calls this session, which rests. Any session that looks asks for all, when it is time.
    fn look_at_roll(&mut self, connection: &Connection<'_>, since_ms: u64) -> bool {
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
            let asked = ask_brain(connection, surplus::PATH, &question, SURPLUS_PATIENCE_MS);
            self.asks_for_all = asked.map(|asked| (asked, now_ms));
        }
        is_called
    }
}

/// Of all listeners: the brain tells nodes apart, and nothing smaller.
fn the_roll() -> MutexGuard<'static, Roll> {
    static ROLL: LazyLock<Mutex<Roll>> = LazyLock::new(Mutex::default);
    ROLL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report_server(connection: &Connection<'_>, id: u32) {
    connection.set_number(NAMESPACE, "server_id", f64::from(id));
}
