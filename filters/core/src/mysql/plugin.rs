//! Authentication plugins that may be relayed: those that prove a password without showing it, and, where TLS protects
//! both ways, those of MySQL that show it.
//!
//! Anywhere else the password would be there to read on one of the ways; a plugin that is not known here may do that too.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_auth_switch_request.html>,
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>

use crate::cursor::Cursor;
use crate::refusal::Refusal;

/// caching_sha2_password: "the scramble was right" and "send the password itself".
const FAST_OK: u8 = 3;
const FULL_AUTHENTICATION: u8 = 4;

/// What protects a password between client and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// The client came without TLS.
    NoTlsFromClient,
    /// The way to the server has none.
    NoTlsToServer,
    /// TLS on both ways.
    Tls,
}

/// A plugin under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugin {
    /// One answer to one scramble.
    SingleAnswer,
    /// One answer, unless the server does not remember the account.
    CachingSha2,
}

impl Plugin {
    /// The plugin that the AuthSwitchRequest `payload` asks for.
    pub fn switched_to(payload: &[u8], secrecy: Secrecy) -> Result<Self, Refusal> {
        let name = payload.get(1..).and_then(|rest| Cursor::new(rest).until_nul());
        match name {
            Some(b"mysql_native_password" | b"client_ed25519") => Ok(Self::SingleAnswer),
            Some(b"sha256_password") if secrecy == Secrecy::Tls => Ok(Self::SingleAnswer),
            Some(b"caching_sha2_password") => Ok(Self::CachingSha2),
            Some(other) => Err(shows_password(&String::from_utf8_lossy(other), secrecy)),
            None => Err(shows_password("mysql_old_password", secrecy)),
        }
    }

    /// May the client read the AuthMoreData `payload`? `Ok(true)`: and answers it.
    pub fn continues(self, payload: &[u8], secrecy: Secrecy) -> Result<bool, Refusal> {
        match (self, payload.get(1)) {
            (Self::CachingSha2, Some(&FAST_OK)) => Ok(false),
            (Self::CachingSha2, Some(&FULL_AUTHENTICATION)) if secrecy == Secrecy::Tls => Ok(true),
            (Self::CachingSha2, Some(&FULL_AUTHENTICATION)) => {
                Err(shows_password("caching_sha2_password, full authentication", secrecy))
            }
            _ => Err(Refusal::new(b"08S01", 1105, "unexpected: a step of authentication that is not known here")),
        }
    }
}

/// ER_NOT_SUPPORTED_AUTH_MODE.
fn shows_password(how: &str, secrecy: Secrecy) -> Refusal {
    let why = match secrecy {
        Secrecy::NoTlsFromClient => "which may show the password; the client came without TLS",
        Secrecy::NoTlsToServer => "which may show the password; the way to the server has no TLS",
        Secrecy::Tls => "which is not relayed",
    };
    Refusal::new(b"08004", 1251, format!("this account authenticates by {how}, {why}"))
}
