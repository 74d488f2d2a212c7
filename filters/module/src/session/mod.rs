//! The network filter `session`: carries out the verdict, speaks refusals, follows the login, and sees the server's end.
//!
//! ```text
//!  Waiting ── grant ──▶ Following ── server closed, or the protocol is broken ──▶ Ending ──▶ closed
//!     └── refusal, expired, no answer ─────────────────────────────────────────────▲
//! ```

mod claims;
mod mysql;
mod postgres;

use sluice_abi::{Buffer, Connection, Level, NetworkFactory, NetworkFilter, Status, Upstream, log, monotonic_ms};
use sluice_core::config::{self, Protocol};
use sluice_core::mysql::packet;
use sluice_core::postgres::cancel;
use sluice_core::refusal::Refusal;
use sluice_core::verdict::{Verdict, judge};

use self::claims::claims;
use self::mysql::Mysql;
use self::postgres::Postgres;
use crate::NAMESPACE;
use crate::deadline::Alarm;
use crate::farewell::{Farewell, LINGER_OVER, spoken};

/// tcp_proxy takes the cluster from here.
/// <https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/tcp_proxy_filter#routing-to-a-cluster-with-filter-state>
const CLUSTER_KEY: &str = "envoy.tcp_proxy.cluster";
const CLOSE: u64 = 1;
const LOOK_UPSTREAM: u64 = 2;
/// tcp_proxy closes without a word when it gives up. As long as it still tries, a failed try can be put into words; it must
/// therefore be configured to try again for longer than this.
const LOOK_UPSTREAM_MS: u64 = 200;

pub struct Factory(Protocol);

impl Factory {
    pub fn configured(json: &[u8]) -> Result<Self, String> {
        config::session(json).map(Self)
    }
}

impl NetworkFactory for Factory {
    fn create(&self, _connection: &Connection<'_>) -> Box<dyn NetworkFilter> {
        Box::new(Session { protocol: self.0, stage: Stage::Waiting, until_server_speaks: None })
    }
}

enum Stage {
    Waiting,
    Postgres(Postgres),
    Mysql(Box<Mysql>),
    /// Last bytes are on their way through Envoy; the close comes when they are.
    Ending {
        details: &'static str,
    },
    Closed(#[expect(dead_code, reason = "its alarm must live as long as the filter")] Farewell),
}

struct Session {
    protocol: Protocol,
    stage: Stage,
    until_server_speaks: Option<Alarm>,
}

/// A refusal and the number it bears in MySQL.
type Refused = (Refusal, u8);

impl NetworkFilter for Session {
    /// tcp_proxy picks its cluster when it learns of the connection: that must be after the verdict.
    fn on_new_connection(&mut self, _connection: &Connection<'_>) -> Status {
        Status::Stop
    }

    fn on_read(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>, end_stream: bool) -> Status {
        let outcome = match &mut self.stage {
            // It gets no answer, whatever the verdict is, and none that could take it to a server.
            Stage::Waiting if self.protocol == Protocol::Postgres && cancel::begins(&buffer.copy(8)) => {
                self.stage = Stage::Closed(Farewell::silent(connection, "sluice_cancel_request"));
                Ok(Status::Stop)
            }
            Stage::Waiting => self.decide(connection, buffer),
            Stage::Postgres(_) => Ok(Status::Continue),
            Stage::Mysql(mysql) => mysql.client_sent(buffer, end_stream),
            Stage::Ending { .. } | Stage::Closed(_) => Ok(Status::Stop),
        };
        outcome.unwrap_or_else(|(refusal, sequence)| {
            let farewell = Farewell::refuse(connection, self.protocol, &refusal, sequence, "sluice_session_refused");
            self.stage = Stage::Closed(farewell);
            Status::Stop
        })
    }

    fn on_write(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>, end_stream: bool) -> Status {
        self.until_server_speaks = None;
        match &mut self.stage {
            // A refusal of `startup` passes by.
            Stage::Waiting => return Status::Continue,
            Stage::Postgres(postgres) => postgres.server_sent(connection, buffer),
            Stage::Mysql(mysql) => {
                if let Err((refusal, sequence)) = mysql.server_sent(connection, buffer) {
                    let relayed = buffer.copy(usize::MAX);
                    buffer.replace(&[relayed, spoken(self.protocol, &refusal, sequence)].concat());
                    self.end(connection, "sluice_session_refused");
                }
            }
            Stage::Ending { .. } | Stage::Closed(_) => buffer.replace(b""),
        }
        if end_stream {
            // Its FIN: the server has freed what this connection held.
            connection.set_flag(NAMESPACE, "server_closed", true);
            self.end(connection, "sluice_server_closed");
        }
        Status::Continue
    }

    fn on_scheduled(&mut self, connection: &Connection<'_>, event: u64) {
        match (event, &self.stage) {
            (CLOSE, Stage::Ending { details }) => self.stage = Stage::Closed(Farewell::flush(connection, details)),
            (LINGER_OVER, Stage::Closed(_)) => {
                self.stage = Stage::Closed(Farewell::silent(connection, "sluice_linger_over"));
            }
            (LOOK_UPSTREAM, Stage::Postgres(_)) if self.until_server_speaks.is_some() => {
                self.look_upstream(connection, 0)
            }
            (LOOK_UPSTREAM, Stage::Mysql(mysql)) if self.until_server_speaks.is_some() => {
                self.look_upstream(connection, mysql.answer_sequence());
            }
            _ => {}
        }
    }
}

impl Session {
    fn decide(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>) -> Result<Status, Refused> {
        let own = connection.text(NAMESPACE, "connection").unwrap_or_default();
        let cluster = match judge(claims(connection), &own, monotonic_ms()) {
            Verdict::Grant { cluster } => cluster,
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
        self.stage = match self.protocol {
            Protocol::Postgres => Stage::Postgres(Postgres::admitted(own)),
            Protocol::Mysql => Stage::Mysql(Box::new(Mysql::admitted(connection, buffer)?)),
        };
        Ok(Status::Continue)
    }

    /// The number behind the response that opens `buffer`; of no meaning in Postgres.
    fn answer_sequence(&self, buffer: &Buffer<'_>) -> u8 {
        packet::header(&buffer.copy(packet::HEADER_BYTES)).map_or(0, |(_, sequence)| sequence.wrapping_add(1))
    }

    fn look_upstream(&mut self, connection: &Connection<'_>, sequence: u8) {
        let upstream = connection.upstream();
        log(Level::Debug, || format!("server still silent, {upstream:?}"));
        self.until_server_speaks = match upstream {
            Upstream::Connected => None,
            Upstream::Pending => Alarm::set(connection, LOOK_UPSTREAM_MS, LOOK_UPSTREAM),
            Upstream::Failed(reason) => {
                let mut refusal = Refusal::new(b"08006", 1105, "the database could not be reached; try again");
                refusal.detail = Some(reason);
                let farewell =
                    Farewell::refuse(connection, self.protocol, &refusal, sequence, "sluice_upstream_failed");
                self.stage = Stage::Closed(farewell);
                None
            }
        };
    }

    /// Closes once Envoy has sent what this callback leaves in its buffer: closing within it would lose that.
    fn end(&mut self, connection: &Connection<'_>, details: &'static str) {
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

fn report_login(connection: &Connection<'_>, outcome: &str) {
    connection.set_texts(NAMESPACE, &[("login", outcome)]);
}
