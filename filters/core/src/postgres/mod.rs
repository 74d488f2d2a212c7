//! A Postgres connection, protocol 3: its start, and following it afterwards.
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>

pub mod cancel;
pub mod error_code;
pub mod follow;
pub mod last_words;
pub mod login;
mod messages;
pub mod negotiation;
mod outstanding;
pub mod proof;
pub mod startup;
pub mod tls_request;
mod unsynced;

/// Request codes that stand where a protocol version would.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
mod code {
    pub const CANCEL_REQUEST: u32 = 80_877_102;
    pub const SSL_REQUEST: u32 = 80_877_103;
    pub const GSSENC_REQUEST: u32 = 80_877_104;
}

/// The major protocol version that is spoken here.
const MAJOR_VERSION: u32 = 3;
