//! TLS to the server that was asked for, until the server's first words behind it prove that it stands.
//!
//! ```text
//!  asked ── the server agrees ──▶ started ── its first words ──▶ (over)
//!    └── closed, silent ──────────────┴── closed, silent ──▶ refuse
//! ```
//! Envoy tells no filter that its handshake with a server failed; it closes. So closes are held back meanwhile, and what
//! shows is that one waits.

use sluice_abi::{Connection, monotonic_ms};
use sluice_core::tls_request::Refused;

/// From the grant to the server's first words behind TLS. No time-out of Envoy's covers them.
const PATIENCE_MS: u64 = 30_000;

pub struct UpstreamTls {
    until_ms: u64,
    started: bool,
}

impl UpstreamTls {
    pub fn asked() -> Self {
        Self { until_ms: monotonic_ms() + PATIENCE_MS, started: false }
    }

    pub fn started(&mut self) {
        self.started = true;
    }

    pub fn is_started(&self) -> bool {
        self.started
    }

    /// What has gone wrong, if anything has.
    pub fn failure(&self, connection: &Connection<'_>) -> Option<Refused> {
        match (connection.close_waits(), self.started) {
            (true, true) => Some(Refused::Handshake),
            (true, false) => Some(Refused::Closed),
            (false, _) => (monotonic_ms() >= self.until_ms).then_some(Refused::Silent),
        }
    }
}
