//! TLS towards a Postgres server, asked for in the protocol: SSLRequest first, the client's startup message behind TLS.
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>
//!
//! ```text
//!  Asking ── 'S' alone ──▶ TLS starts, then what the client has sent goes
//!     └───── anything else ──▶ refuse: not one byte of the client goes in clear
//! ```

use crate::refusal::Refusal;
use crate::tls_request::{MAX_HELD_BYTES, Refused, insecure};

/// Asks for TLS.
pub const SSL_REQUEST: &[u8] = b"\x00\x00\x00\x08\x04\xd2\x16\x2f";

/// A server that has been asked, and what a client has sent in the meantime.
#[derive(Debug)]
pub struct TlsRequest {
    held: Vec<u8>,
}

impl TlsRequest {
    /// Holds back `startup`, and whatever the client has sent behind it, until TLS stands.
    pub fn holding(startup: Vec<u8>) -> Self {
        Self { held: startup }
    }

    /// More from the client.
    pub fn client_sent(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.held.len() + bytes.len() > MAX_HELD_BYTES {
            return Err(Refusal::protocol(format!("more than {MAX_HELD_BYTES} bytes sent before the server answered")));
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// The server's answer. `Ok` hands out what goes to it as soon as TLS has been started; `None`: it has not answered yet.
    /// Its own words are never passed on: without TLS they may be anybody's.
    pub fn server_sent(&mut self, bytes: &[u8]) -> Option<Result<Vec<u8>, Refusal>> {
        Some(match bytes {
            [] => return None,
            [b'S'] => Ok(std::mem::take(&mut self.held)),
            [b'S', ..] => Err(insecure(Refused::Stuffed)),
            [b'N', ..] => Err(insecure(Refused::NotOffered)),
            [b'E', ..] => Err(insecure(Refused::Failed)),
            _ => Err(insecure(Refused::Unexpected)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_startup_message_goes_behind_an_s_alone() {
        let mut request = TlsRequest::holding(b"startup".to_vec());
        request.client_sent(b"more").unwrap();
        assert_eq!(request.server_sent(b""), None);
        assert_eq!(request.server_sent(b"S"), Some(Ok(b"startupmore".to_vec())));
    }

    #[test]
    fn any_other_answer_is_refused_and_not_repeated() {
        for answer in [&b"N"[..], b"X", b"E\0\0\0\x09Mforged", b"SS", b"S\x16\x03", b"\x16", b"R\0\0\0\x08\0\0\0\0"] {
            let refusal = TlsRequest::holding(b"startup".to_vec()).server_sent(answer).unwrap().unwrap_err();
            assert_eq!((&refusal.sqlstate, refusal.errno), (b"08006", 1105), "{answer:?}");
            assert!(!refusal.message.contains("forged") && refusal.detail.is_some());
        }
    }

    #[test]
    fn what_a_client_sends_early_has_a_bound() {
        let mut request = TlsRequest::holding(vec![0; MAX_HELD_BYTES]);
        assert_eq!(&request.client_sent(b"x").unwrap_err().sqlstate, b"08P01");
    }
}
