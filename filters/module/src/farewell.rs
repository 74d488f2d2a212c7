//! The last words to a client.

use sluice_abi::{Close, Connection};
use sluice_core::config::Protocol;
use sluice_core::refusal::Refusal;

use crate::deadline::Alarm;

/// How long a client may take to read its last words before it is cut.
pub const LAST_WORDS_MS: u64 = 5_000;
/// How long it may take to read what the server left behind, which can be a buffer full.
const LAST_BYTES_MS: u64 = 30_000;
/// The event of the alarm that cuts it.
pub const LINGER_OVER: u64 = u64::MAX;

/// A connection that is being closed. Keep it until the filter ends.
pub struct Farewell {
    _linger: Option<Alarm>,
}

impl Farewell {
    /// Speaks `refusal` and closes. `sequence` numbers MySQL's packet; `details` are for the access log.
    pub fn refuse(
        connection: &Connection<'_>,
        protocol: Protocol,
        refusal: &Refusal,
        sequence: u8,
        details: &str,
    ) -> Self {
        connection.speak(&spoken(protocol, refusal, sequence));
        Self::within(LAST_WORDS_MS, connection, details)
    }

    /// Closes once the client has read what is on its way to it.
    pub fn flush(connection: &Connection<'_>, details: &str) -> Self {
        Self::within(LAST_BYTES_MS, connection, details)
    }

    /// As [`Self::flush`], for a client that has this long.
    pub fn within(linger_ms: u64, connection: &Connection<'_>, details: &str) -> Self {
        // Envoy has no limit of its own for FlushWrite on TCP: a client that never reads would stay for ever.
        let linger = Alarm::set(connection, linger_ms, LINGER_OVER);
        connection.close(Close::FlushWrite, details);
        Self { _linger: linger }
    }

    /// Closes at once.
    pub fn silent(connection: &Connection<'_>, details: &str) -> Self {
        connection.close(Close::NoFlush, details);
        Self { _linger: None }
    }
}

/// `refusal` in the words of `protocol`.
pub fn spoken(protocol: Protocol, refusal: &Refusal, sequence: u8) -> Vec<u8> {
    match protocol {
        Protocol::Postgres => refusal.as_postgres(),
        Protocol::Mysql => refusal.as_mysql(sequence),
    }
}
