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
mod logins;
mod mysql;
mod postgres;
mod reaching;
mod relaying;
mod scheduled;
mod surplus;
mod upstream_tls;

use sluice_abi::{Buffer, Callout, Connection, Event as ConnectionEvent, NetworkFactory, NetworkFilter, Stats, Status};
use sluice_core::config::{self, Protocol, SessionConfig};
use sluice_core::postgres::tls_request::TlsRequest;
use sluice_core::refusal::Refusal;

use self::following::{Counters, Following};
use self::mysql::Mysql;
use self::postgres::Postgres;
use self::reaching::Reaching;
use self::upstream_tls::UpstreamTls;
use crate::NAMESPACE;
use crate::deadline::Alarm;
use crate::farewell::Farewell;

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
            tellings: Vec::new(),
        })
    }
}

enum Stage {
    Waiting,
    /// A Postgres server is asked for TLS.
    Asking(TlsRequest),
    Postgres(Box<Postgres>),
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
    /// It has told of all that have logged in, and has no answer yet.
    tellings: Vec<Callout>,
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
        self.client_sent(connection, buffer, end_stream)
    }

    fn on_write(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>, end_stream: bool) -> Status {
        self.server_sent(connection, buffer, end_stream)
    }

    fn on_answered(&mut self, connection: &Connection<'_>, callout: Callout, body: Option<&[u8]>) {
        if self.was_told(callout) || self.roll_answered(callout, body) {
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
            self.give_up_roll();
            self.leave_book();
        }
    }

    fn on_scheduled(&mut self, connection: &Connection<'_>, event: u64) {
        self.scheduled(connection, event);
    }
}

impl Session {
    fn write_account(&mut self, connection: &Connection<'_>) {
        if let Some(following) = &mut self.following {
            following.write(connection);
        }
    }
}

fn report_server(connection: &Connection<'_>, id: u32) {
    connection.set_number(NAMESPACE, "server_id", f64::from(id));
}
