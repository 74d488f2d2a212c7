//! A connection that asks for a cancel (Postgres). The check is the request: the brain carries it out before it answers, and
//! whatever the answer is, `session` then closes without a word.

use sluice_abi::Connection;
use sluice_core::postgres::cancel::CancelKey;

use crate::NAMESPACE;
use crate::deadline::Alarm;

/// The event of the alarm that ends the wait for the brain.
pub const OVER: u64 = 2;
/// Longer than the brain takes; without a brain a check would be held for the longest queue's time.
const PATIENCE_MS: u64 = 10_000;

/// The stage between request and close.
pub struct Cancelling {
    _patience: Option<Alarm>,
}

impl Cancelling {
    /// Starts the wait.
    pub fn begin(connection: &Connection<'_>) -> Self {
        Self { _patience: Alarm::set(connection, PATIENCE_MS, OVER) }
    }
}

/// The process id, and the key in hex.
pub fn facts(request: &CancelKey) -> [String; 2] {
    [request.pid.to_string(), request.secret_hex()]
}

/// What is told when a connection ends is told to whoever reads access logs.
pub fn forget_key(connection: &Connection<'_>) {
    connection.set_texts(NAMESPACE, &[("cancel_key", "")]);
}
