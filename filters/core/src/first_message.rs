//! The first message behind TLS, of either protocol.

use crate::config::Protocol;
use crate::identity::Identity;
use crate::mysql::response::{self, Reading};
use crate::postgres::cancel::CancelKey;
use crate::postgres::startup::{self, Startup};
use crate::refusal::Refusal;

/// The longest first message of any protocol; more bytes need not be shown to [`read`].
pub const MAX_BYTES: usize = response::MAX_BYTES + 4;

/// What the first bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstMessage {
    /// More bytes are needed to tell.
    NeedMore,
    /// A whole message of this many bytes.
    Whole {
        /// Who says what.
        identity: Identity,
        /// Its length on the wire.
        bytes: usize,
    },
    /// A whole CancelRequest (Postgres) of this many bytes: it gets no answer.
    Cancel(CancelKey, usize),
    /// A CancelRequest that no server would act on: no answer either.
    MalformedCancel,
    /// Something that can't be served.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The number of the answer, in MySQL.
        sequence: u8,
    },
}

/// Reads the message at the beginning of `bytes`.
pub fn read(protocol: Protocol, bytes: &[u8]) -> FirstMessage {
    match protocol {
        Protocol::Postgres => match startup::read(bytes) {
            Startup::NeedMore => FirstMessage::NeedMore,
            Startup::Message { identity, bytes } => FirstMessage::Whole { identity, bytes },
            Startup::Cancel(request, bytes) => FirstMessage::Cancel(request, bytes),
            Startup::MalformedCancel => FirstMessage::MalformedCancel,
            Startup::Refused(refusal) => FirstMessage::Refused { refusal, sequence: 0 },
        },
        Protocol::Mysql => match response::read(bytes) {
            Reading::NeedMore => FirstMessage::NeedMore,
            Reading::Whole(response) => FirstMessage::Whole { bytes: response.bytes, identity: response.identity },
            Reading::Refused(refusal, sequence) => FirstMessage::Refused { refusal, sequence },
        },
    }
}
