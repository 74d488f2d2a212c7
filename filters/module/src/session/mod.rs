//! The network filter `session`: carries out the verdict, speaks refusals, follows the login, and sees the server's end.
//!
//! ```text
//!  Waiting ── grant ──▶ Following ── server closed, or the protocol is broken ──▶ Ending ──▶ closed
//!     │   └─▶ Asking ──▶ ▲ │ └── no TLS where there should be ─────────────────────▲
//!     │                    └── limit reached, ──▶ Leaving ── server closed ────────▲
//!     │                        more than KILL
//!     └── refusal, expired, no answer ─────────────────────────────────────────────┘
//! ```

mod asking;
mod claims;
mod following;
mod mysql;
mod postgres;
mod upstream_tls;

use sluice_abi::{
    Buffer, Callout, Connection, Event as ConnectionEvent, Level, NetworkFactory, NetworkFilter, Stats, Status,
    Upstream, log, monotonic_ms,
};
use sluice_core::config::{self, Protocol};
use sluice_core::limits::Reached;
use sluice_core::mysql::packet;
use sluice_core::postgres::cancel;
use sluice_core::postgres::tls_request::{SSL_REQUEST, TlsRequest};
use sluice_core::refusal::Refusal;
use sluice_core::tls_request::{self as words, Refused as NoTls};
use sluice_core::verdict::{KillSession, Verdict, judge};

use self::claims::claims;
use self::following::{Counters, Following, LIMITS, REPORT};
use self::mysql::Mysql;
use self::postgres::{OVERDUE, Postgres};
use self::upstream_tls::UpstreamTls;
use crate::NAMESPACE;
use crate::deadline::Alarm;
use crate::farewell::{Farewell, LINGER_OVER, spoken};

/// tcp_proxy takes the cluster from here.
/// <https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/tcp_proxy_filter#routing-to-a-cluster-with-filter-state>
const CLUSTER_KEY: &str = "envoy.tcp_proxy.cluster";
const CLOSE: u64 = 1;
const LOOK_UPSTREAM: u64 = 2;
/// The time of a session for KILL alone is up. 3 to 5 are [`REPORT`], [`LIMITS`] and [`OVERDUE`].
const KILL_OVER: u64 = 6;
const KILL_DETAILS: &str = "sluice_kill_session_over";
/// tcp_proxy closes without a word when it gives up. As long as it still tries, a failed try can be put into words; it must
/// therefore be configured to try again for longer than this.
const LOOK_UPSTREAM_MS: u64 = 200;

/// <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-TERMINATE>
const TERMINATE: &[u8] = b"X\0\0\0\x04";
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_quit.html>
const QUIT: &[u8] = b"\x01\0\0\0\x01";
/// How long a server may take to close after it was told that the session is over.
const LEAVE_MS: u64 = 5_000;
/// Drivers read what comes unasked as the answer to their next command, which they number 0.
const UNASKED_SEQUENCE: u8 = 1;

pub struct Factory {
    protocol: Protocol,
    counters: Counters,
}

impl Factory {
    pub fn configured(json: &[u8], stats: &Stats<'_>) -> Result<Self, String> {
        let protocol = config::session(json)?;
        Ok(Self { protocol, counters: Counters::define(protocol, stats)? })
    }
}

impl NetworkFactory for Factory {
    fn create(&self, _connection: &Connection<'_>) -> Box<dyn NetworkFilter> {
        Box::new(Session {
            protocol: self.protocol,
            counters: self.counters,
            stage: Stage::Waiting,
            following: None,
            until_server_speaks: None,
            server_has_spoken: false,
            tls: None,
            only_kill: None,
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
    counters: Counters,
    stage: Stage,
    /// From the grant on.
    following: Option<Following>,
    until_server_speaks: Option<Alarm>,
    /// A byte of the server's has come.
    server_has_spoken: bool,
    /// TLS was asked for and does not stand for certain yet.
    tls: Option<UpstreamTls>,
    only_kill: Option<OnlyKill>,
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
            (Stage::Asking(_), _) if end_stream => return self.leave(connection),
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
        status
    }

    fn on_write(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>, end_stream: bool) -> Status {
        if self.tls.as_ref().is_some_and(UpstreamTls::is_started) {
            self.tls = None;
            connection.hold_close(false);
        }
        if self.tls.is_none() {
            self.until_server_speaks = None;
        }
        self.server_has_spoken |= !buffer.is_empty();
        let is_mute = end_stream && !self.server_has_spoken;
        let outcome = match (&mut self.stage, &mut self.following) {
            // A refusal of `startup` passes by.
            (Stage::Waiting, _) => return Status::Continue,
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
        let (Stage::Mysql(mysql), Some(following)) = (&mut self.stage, &mut self.following) else { return };
        if let Err((refusal, sequence)) = mysql.answered(connection, following, callout, body) {
            self.refuse(connection, &refusal, sequence, "sluice_session_refused");
        } else if mysql.is_refused() {
            self.end_kill(connection);
        }
    }

    fn on_event(&mut self, connection: &Connection<'_>, event: ConnectionEvent) {
        if event != ConnectionEvent::Connected {
            self.write_account(connection);
            // Its alarm may ring once more.
            self.only_kill = None;
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
            (KILL_OVER, Stage::Mysql(mysql)) if mysql.is_logged_in() => self.end_kill(connection),
            (KILL_OVER, Stage::Mysql(mysql)) => {
                let sequence = mysql.answer_sequence();
                if let Some(OnlyKill { instead, .. }) = self.only_kill.take() {
                    self.refuse(connection, &instead, sequence, KILL_DETAILS);
                }
            }
            (LINGER_OVER, Stage::Leaving { details, .. }) => {
                self.stage = Stage::Closed(Farewell::flush(connection, details));
            }
            (LINGER_OVER, Stage::Closed(_)) => {
                self.stage = Stage::Closed(Farewell::silent(connection, "sluice_linger_over"));
            }
            (LOOK_UPSTREAM, Stage::Asking(_) | Stage::Postgres(_)) if self.until_server_speaks.is_some() => {
                self.look_upstream(connection, 0)
            }
            (LOOK_UPSTREAM, Stage::Mysql(mysql)) if self.until_server_speaks.is_some() => {
                let sequence = mysql.answer_sequence();
                self.look_upstream(connection, sequence);
            }
            _ => {}
        }
    }
}

impl Session {
    fn decide(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>) -> Result<Status, Refused> {
        let own = connection.text(NAMESPACE, "connection").unwrap_or_default();
        let (cluster, asks_for_tls) = match judge(claims(connection), &own, monotonic_ms()) {
            // Postgres clients cancel without a session of their own.
            Verdict::Grant { only_kill: Some(KillSession { instead, .. }), .. }
                if self.protocol == Protocol::Postgres =>
            {
                return Err((instead, 0));
            }
            Verdict::Grant { cluster, asks_for_tls, only_kill } => {
                self.only_kill = only_kill.map(|KillSession { instead, life_ms }| OnlyKill {
                    instead,
                    life: Alarm::set(connection, life_ms, KILL_OVER),
                });
                (cluster, asks_for_tls)
            }
            Verdict::Refuse(refusal) => return Err((refusal, self.answer_sequence(buffer))),
        };
        // Both would be closed by tcp_proxy without a word.
        if connection.cluster_hosts(&cluster).is_none_or(|hosts| hosts == 0) {
            let why = format!("this node has no server for cluster {cluster:?} yet; try again");
            return Err((Refusal::new(b"57P03", 1053, why), self.answer_sequence(buffer)));
        }
        if !connection.set_typed_filter_state(CLUSTER_KEY, &cluster) {
            let why = "this node cannot choose a cluster; try again";
            return Err((Refusal::new(b"57P03", 1053, why), self.answer_sequence(buffer)));
        }
        self.until_server_speaks = Alarm::set(connection, LOOK_UPSTREAM_MS, LOOK_UPSTREAM);
        match self.protocol {
            Protocol::Postgres => {
                self.following.insert(Following::postgres(connection, self.counters)).client_sent(connection, buffer);
                self.stage = if asks_for_tls {
                    let startup = buffer.copy(usize::MAX);
                    buffer.replace(SSL_REQUEST);
                    Stage::Asking(TlsRequest::holding(startup))
                } else {
                    Stage::Postgres(Postgres::admitted(own))
                };
            }
            Protocol::Mysql => {
                let (mysql, wire) = Mysql::admitted(connection, buffer, asks_for_tls, self.only_kill.is_some())?;
                self.stage = Stage::Mysql(Box::new(mysql));
                self.following = Some(Following::mysql(connection, self.counters, wire));
            }
        }
        if asks_for_tls && self.until_server_speaks.is_some() {
            // When TLS fails Envoy closes without a word; it waits until the word is spoken.
            connection.hold_close(true);
            self.tls = Some(UpstreamTls::asked());
        }
        Ok(Status::Continue)
    }

    /// The number behind the response that opens `buffer`; of no meaning in Postgres.
    fn answer_sequence(&self, buffer: &Buffer<'_>) -> u8 {
        packet::header(&buffer.copy(packet::HEADER_BYTES)).map_or(0, |(_, sequence)| sequence.wrapping_add(1))
    }

    fn look_upstream(&mut self, connection: &Connection<'_>, sequence: u8) {
        let upstream = connection.upstream();
        log(Level::Debug, || format!("server still silent, {upstream:?}"));
        let failed = match (upstream, &self.tls) {
            (Upstream::Failed(reason), _) => Some(words::unreachable(reason)),
            (_, Some(tls)) => tls.failure(connection).map(words::insecure),
            (Upstream::Connected, None) => {
                self.until_server_speaks = None;
                return;
            }
            (Upstream::Pending, None) => None,
        };
        match failed {
            Some(refusal) => self.refuse(connection, &refusal, sequence, "sluice_upstream_failed"),
            None => self.until_server_speaks = Alarm::set(connection, LOOK_UPSTREAM_MS, LOOK_UPSTREAM),
        }
    }

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

    fn refuse(&mut self, connection: &Connection<'_>, refusal: &Refusal, sequence: u8, details: &str) {
        self.until_server_speaks = None;
        self.stage = Stage::Closed(Farewell::refuse(connection, self.protocol, refusal, sequence, details));
        self.let_close(connection);
    }

    fn leave(&mut self, connection: &Connection<'_>) -> Status {
        self.stage = Stage::Closed(Farewell::silent(connection, "sluice_client_left"));
        self.let_close(connection);
        Status::Stop
    }

    fn write_account(&mut self, connection: &Connection<'_>) {
        if let Some(following) = &mut self.following {
            following.write(connection);
        }
    }

    fn look_at_limits(&mut self, connection: &Connection<'_>, client_rests: bool) {
        let reached = self.following.as_mut().and_then(|following| following.look_at_limits(connection, client_rests));
        if let Some(reached) = reached {
            self.end_by(connection, reached);
        }
    }

    /// Tells both sides that the session is over. The server's own FIN is the end: by then it has given the slot back.
    fn end_by(&mut self, connection: &Connection<'_>, reached: Reached) {
        if let Some(following) = &self.following {
            following.ends_by(connection, reached);
        }
        self.leave_with(connection, Some(&reached.refusal(self.protocol)), reached.details());
    }

    /// A session for KILL alone has been asked for more, or its time is up. Amid a message of the server nothing can be said.
    fn end_kill(&mut self, connection: &Connection<'_>) {
        let Some(OnlyKill { instead, .. }) = self.only_kill.take() else { return };
        let may_speak = self.following.as_ref().is_some_and(Following::is_between_messages);
        self.leave_with(connection, may_speak.then_some(&instead), KILL_DETAILS);
    }

    fn leave_with(&mut self, connection: &Connection<'_>, words: Option<&Refusal>, details: &'static str) {
        self.write_account(connection);
        if let Some(words) = words {
            connection.speak(&spoken(self.protocol, words, UNASKED_SEQUENCE));
        }
        let goodbye = match self.protocol {
            Protocol::Postgres => TERMINATE,
            Protocol::Mysql => QUIT,
        };
        connection.send_upstream(goodbye, false);
        let linger = Alarm::set(connection, LEAVE_MS, LINGER_OVER);
        self.stage = Stage::Leaving { details, linger };
    }

    /// Closes that were held back come now.
    fn let_close(&mut self, connection: &Connection<'_>) {
        if self.tls.take().is_some() {
            connection.hold_close(false);
        }
    }

    /// Closes once Envoy has sent what this callback leaves in its buffer: closing within it would lose that.
    fn end(&mut self, connection: &Connection<'_>, details: &'static str) {
        self.write_account(connection);
        if let (Some(scheduler), false) =
            (connection.scheduler(), matches!(self.stage, Stage::Ending { .. } | Stage::Closed(_)))
        {
            self.stage = Stage::Ending { details };
            scheduler.commit(CLOSE);
        }
    }
}

fn report_server(connection: &Connection<'_>, id: u32) {
    connection.set_number(NAMESPACE, "server_id", f64::from(id));
}
