//! The network filter `startup`: who the client says he is, for the check; and his presence while the check is held.
//!
//! ```text
//!  Reading ── whole message ──▶ Held ── verdict seen ──▶ Passed
//!     │  │                       │
//!     │  └─ CancelRequest ──▶ Cancelling ── `session` closes, or patience is over
//!     ├─ deadline, bad input     ├─ client leaves, or sends more than it may
//!     ▼                          ▼
//!    Ended ◀─────────────────────┘
//! ```

mod cancelling;

use std::fmt::Write as _;
use std::sync::Arc;

use sluice_abi::{Buffer, Connection, Event, NetworkFactory, NetworkFilter, Status, monotonic_ms, random, unix_ms};
use sluice_core::birth::{self, Birth};
use sluice_core::config::{self, StartupConfig};
use sluice_core::first_message::{self, FirstMessage};
use sluice_core::identity::Identity;
use sluice_core::refusal::Refusal;
use sluice_core::verdict;

use self::cancelling::Cancelling;
use crate::NAMESPACE;
use crate::deadline::Alarm;
use crate::farewell::{Farewell, LINGER_OVER};

/// What a client may send behind its startup message while its check is held. Drivers send nothing there.
const MAX_EARLY_BYTES: usize = 16_384;
const DEADLINE: u64 = 1;

pub struct Factory(Arc<StartupConfig>);

impl Factory {
    pub fn configured(json: &[u8]) -> Result<Self, String> {
        config::startup(json).map(|config| Self(Arc::new(config)))
    }
}

impl NetworkFactory for Factory {
    fn create(&self, connection: &Connection<'_>) -> Box<dyn NetworkFilter> {
        let birth = connection
            .filter_state(birth::KEY)
            .and_then(|bytes| Birth::from_text(std::str::from_utf8(&bytes).ok()?))
            .unwrap_or_else(|| Birth { monotonic_ms: monotonic_ms(), unix_ms: unix_ms(), ..Birth::default() });
        let left_ms = (birth.monotonic_ms + self.0.deadline_ms).saturating_sub(monotonic_ms());
        Box::new(StartupFilter {
            config: Arc::clone(&self.0),
            birth,
            deadline: Alarm::set(connection, left_ms, DEADLINE),
            connected: false,
            stage: Stage::Reading,
        })
    }
}

enum Stage {
    Reading,
    Held { message_bytes: usize },
    Cancelling(#[expect(dead_code, reason = "its alarm must live as long as the stage")] Cancelling),
    Passed,
    Ended(#[allow(dead_code, reason = "keeps the linger alarm alive")] Farewell),
}

struct StartupFilter {
    config: Arc<StartupConfig>,
    birth: Birth,
    deadline: Option<Alarm>,
    /// TLS is up, so there is something to speak through.
    connected: bool,
    stage: Stage,
}

impl NetworkFilter for StartupFilter {
    fn on_read(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>, end_stream: bool) -> Status {
        match self.stage {
            Stage::Reading => self.read(connection, buffer, end_stream),
            Stage::Held { message_bytes } => self.watch(connection, buffer, end_stream, message_bytes),
            Stage::Cancelling(_) if buffer.len() > MAX_EARLY_BYTES => {
                cancelling::forget_key(connection);
                self.leave(connection, "sluice_early_bytes")
            }
            // Clients may send their request and go: it is carried out all the same.
            Stage::Cancelling(_) | Stage::Passed => Status::Continue,
            Stage::Ended(_) => Status::Stop,
        }
    }

    fn on_event(&mut self, connection: &Connection<'_>, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::RemoteClose | Event::LocalClose => {
                self.deadline = None;
                if let Stage::Cancelling(_) = self.stage {
                    cancelling::forget_key(connection);
                }
            }
        }
    }

    fn on_scheduled(&mut self, connection: &Connection<'_>, event: u64) {
        match (event, &self.stage) {
            (DEADLINE, Stage::Reading) if self.connected || !connection.is_tls() => {
                let why = format!("no startup message within {} ms", self.config.deadline_ms);
                // MySQL's number: behind the greeting, and behind SSLRequest where there was one.
                let sequence = if connection.is_tls() { 2 } else { 1 };
                self.refuse(connection, &Refusal::new(b"57014", 1159, why), sequence, "sluice_startup_deadline");
            }
            (DEADLINE, Stage::Reading) => {
                self.stage = Stage::Ended(Farewell::silent(connection, "sluice_tls_deadline"));
            }
            (cancelling::OVER, Stage::Cancelling(_)) => {
                cancelling::forget_key(connection);
                self.leave(connection, "sluice_cancel_unanswered");
            }
            (LINGER_OVER, Stage::Ended(_)) => {
                self.stage = Stage::Ended(Farewell::silent(connection, "sluice_linger_over"));
            }
            _ => {}
        }
    }
}

impl StartupFilter {
    fn read(&mut self, connection: &Connection<'_>, buffer: &Buffer<'_>, end_stream: bool) -> Status {
        match first_message::read(self.config.protocol, &buffer.copy(first_message::MAX_BYTES)) {
            FirstMessage::Cancel(..) if buffer.len() > MAX_EARLY_BYTES => self.leave(connection, "sluice_early_bytes"),
            FirstMessage::Cancel(request, _) => {
                self.deadline = None;
                let [pid, key] = cancelling::facts(&request);
                self.report(connection, &[("cancel_pid", &pid), ("cancel_key", &key)]);
                self.stage = Stage::Cancelling(Cancelling::begin(connection));
                Status::Continue
            }
            FirstMessage::MalformedCancel => self.leave(connection, "sluice_cancel_malformed"),
            _ if end_stream => self.leave(connection, "sluice_client_left_before_check"),
            FirstMessage::NeedMore => Status::Stop,
            FirstMessage::Whole { identity, bytes: message_bytes } => {
                self.deadline = None;
                self.stage = Stage::Held { message_bytes };
                let status = self.watch(connection, buffer, false, message_bytes);
                if status == Status::Continue {
                    self.report(connection, &facts(&identity));
                }
                status
            }
            FirstMessage::Refused { refusal, sequence } => {
                self.refuse(connection, &refusal, sequence, "sluice_startup_refused")
            }
        }
    }

    /// The check is held, as long as no verdict is seen. Half-close is on, so a client that leaves shows only here.
    fn watch(
        &mut self,
        connection: &Connection<'_>,
        buffer: &Buffer<'_>,
        end_stream: bool,
        message_bytes: usize,
    ) -> Status {
        if connection.text(verdict::NAMESPACE, "verdict").is_some() {
            self.stage = Stage::Passed;
            return Status::Continue;
        }
        if end_stream {
            return self.leave(connection, "sluice_client_left");
        }
        if buffer.len() > message_bytes + MAX_EARLY_BYTES {
            let why = format!("more than {MAX_EARLY_BYTES} bytes sent before the server answered");
            // The response was packet 2, or 1 without TLS.
            let sequence = if connection.is_tls() { 3 } else { 2 };
            return self.refuse(connection, &Refusal::protocol(why), sequence, "sluice_early_bytes");
        }
        Status::Continue
    }

    fn report(&self, connection: &Connection<'_>, facts: &[(&str, &str)]) {
        let now_ms = monotonic_ms();
        let id = random::<16>().iter().fold(String::with_capacity(32), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        });
        let mut texts = vec![
            ("connection", id.as_str()),
            ("listener", self.config.listener.as_str()),
            ("protocol", self.config.protocol.name()),
        ];
        texts.extend_from_slice(facts);
        connection.set_texts(NAMESPACE, &texts);
        connection.set_number(NAMESPACE, "born_unix_ms", self.birth.unix_ms as f64);
        connection.set_number(NAMESPACE, "age_ms", now_ms.saturating_sub(self.birth.monotonic_ms) as f64);
        connection.set_number(NAMESPACE, "monotonic_ms", now_ms as f64);
        if self.birth.front_id != 0 {
            connection.set_number(NAMESPACE, "front_id", f64::from(self.birth.front_id));
        }
    }

    fn refuse(&mut self, connection: &Connection<'_>, refusal: &Refusal, sequence: u8, details: &str) -> Status {
        self.stage = Stage::Ended(Farewell::refuse(connection, self.config.protocol, refusal, sequence, details));
        Status::Stop
    }

    fn leave(&mut self, connection: &Connection<'_>, details: &str) -> Status {
        self.stage = Stage::Ended(Farewell::silent(connection, details));
        Status::Stop
    }
}

fn facts(identity: &Identity) -> Vec<(&str, &str)> {
    let mut facts = vec![
        ("user", identity.user.as_str()),
        ("database", identity.database.as_str()),
        ("application_name", identity.application_name.as_str()),
    ];
    facts.extend(identity.options.as_deref().map(|options| ("options", options)));
    facts
}
