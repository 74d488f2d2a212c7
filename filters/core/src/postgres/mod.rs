//! The start of a Postgres connection, protocol 3.
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>

pub mod cancel;
pub mod login;
pub mod negotiation;
pub mod proof;
pub mod startup;
pub mod tls_request;

/// Request codes that stand where a protocol version would.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
mod code {
    pub const CANCEL_REQUEST: u32 = 80_877_102;
    pub const SSL_REQUEST: u32 = 80_877_103;
    pub const GSSENC_REQUEST: u32 = 80_877_104;
}

/// The major protocol version that is spoken here.
const MAJOR_VERSION: u32 = 3;
