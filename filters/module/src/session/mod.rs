//! The network filter `session`: carries out the verdict, speaks refusals, follows the login, and sees the server's end.

use sluice_abi::{Buffer, Connection, NetworkFactory, NetworkFilter, Status, monotonic_ms};
use sluice_core::config::{self, Protocol};
use sluice_core::postgres::login::{Event, Login};
use sluice_core::verdict::{self, Claims, Verdict, judge};

use crate::NAMESPACE;
use crate::farewell::{Farewell, LINGER_OVER};

const SERVER_GONE: u64 = 1;

pub struct Factory(Protocol);

impl Factory {
    pub fn configured(json: &[u8]) -> Result<Self, String> {
        config::session(json).map(Self)
    }
}

impl NetworkFactory for Factory {
    fn create(&self, _connection: &Connection<'_>) -> Box<dyn NetworkFilter> {
        Box::new(Session { protocol: self.0, stage: Stage::Waiting, login: Login::default() })
    }
}

enum Stage {
    Waiting,
    Open,
    Ended(#[allow(dead_code)] Farewell),
}

struct Session {
    protocol: Protocol,
    stage: Stage,
    login: Login,
}

impl NetworkFilter for Session {
    /// tcp_proxy picks its cluster when it learns of the connection: that must be after the verdict.
    fn on_new_connection(&mut self, _connection: &Connection<'_>) -> Status {
        Status::Stop
    }

    fn on_read(&mut self, connection: &Connection<'_>, _buffer: &mut Buffer<'_>, _end_stream: bool) -> Status {
        match self.stage {
            Stage::Waiting => match judge(claims(connection), &connection.text(NAMESPACE, "connection").unwrap_or_default(), monotonic_ms()) {
                Verdict::Grant { cluster } => {
                    connection.set_typed_filter_state("envoy.tcp_proxy.cluster", &cluster);
                    self.stage = Stage::Open;
                    Status::Continue
                }
                Verdict::Refuse(refusal) => {
                    self.stage = Stage::Ended(Farewell::refuse(connection, self.protocol, &refusal, 3, "sluice_refused"));
                    Status::Stop
                }
            },
            Stage::Open => Status::Continue,
            Stage::Ended(_) => Status::Stop,
        }
    }

    fn on_write(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>, end_stream: bool) -> Status {
        if !self.login.is_over() {
            buffer.chunks(|chunk| {
                self.login.follow(chunk, |event| match event {
                    Event::ServerId(id) => connection.set_number(NAMESPACE, "server_id", f64::from(id)),
                    Event::Ready => connection.set_texts(NAMESPACE, &[("login", "ok")]),
                    Event::Failed => connection.set_texts(NAMESPACE, &[("login", "failed")]),
                });
                true
            });
        }
        if end_stream {
            connection.set_flag(NAMESPACE, "server_closed", true);
        }
        Status::Continue
    }

    fn on_scheduled(&mut self, connection: &Connection<'_>, event: u64) {
        if event == LINGER_OVER {
            self.stage = Stage::Ended(Farewell::silent(connection, "sluice_linger_over"));
        }
        let _ = SERVER_GONE;
    }
}

fn claims(connection: &Connection<'_>) -> Claims {
    let text = |key| connection.text(verdict::NAMESPACE, key);
    let number = |key| connection.number(verdict::NAMESPACE, key);
    Claims {
        verdict: text("verdict"),
        connection: text("connection"),
        cluster: text("cluster"),
        expires_monotonic_ms: number("expires_monotonic_ms"),
        sqlstate: text("sqlstate"),
        errno: number("errno"),
        message: text("message"),
        detail: text("detail"),
        hint: text("hint"),
    }
}
