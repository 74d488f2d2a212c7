//! MySQL before TLS: what a client answers to the front's greeting.
//!
//! ```text
//!  greeting ──▶ Asking ── SSLRequest (32 bytes, CLIENT_SSL) ──▶ Promised ── TLS ──▶ pass
//!                 │                                                 └────── else ──▶ refuse
//!                 ├─ HandshakeResponse ──▶ refuse, or pass where the listener allows plaintext
//!                 └─ else ──▶ refuse
//! ```
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_ssl_request.html>

use super::packet::{self, HEADER_BYTES};
use super::{capability, response};
use crate::cursor::Cursor;
use crate::negotiation::{Move, Plaintext, TLS_HANDSHAKE_RECORD};
use crate::refusal::Refusal;

const SSL_REQUEST_BYTES: usize = 32;
/// The client's packet is the second of the conversation, the refusal the third.
const REFUSAL_SEQUENCE: u8 = 2;

/// One connection's negotiation, after the greeting was sent.
#[derive(Debug)]
pub struct Negotiation {
    plaintext: Plaintext,
    tls_promised: bool,
}

impl Negotiation {
    /// A client that has been greeted.
    pub fn new(plaintext: Plaintext) -> Self {
        Self { plaintext, tls_promised: false }
    }

    /// Looks at the bytes that the client has sent and nobody has taken.
    pub fn look(&mut self, peeked: &[u8]) -> Move {
        if self.tls_promised {
            return match peeked.first() {
                None => Move::Wait,
                Some(&TLS_HANDSHAKE_RECORD) => Move::Pass,
                // Bytes stuffed behind SSLRequest must never count as what TLS protects.
                Some(_) => refuse("expected TLS after SSLRequest, found plaintext"),
            };
        }
        let Some((length, sequence)) = packet::header(peeked) else { return Move::Wait };
        if sequence != 1 || !(SSL_REQUEST_BYTES..=response::MAX_BYTES).contains(&length) {
            return refuse(format!(
                "expected a handshake response, found a packet of {length} bytes, number {sequence}"
            ));
        }
        let Some(capabilities) = peeked.get(HEADER_BYTES..).and_then(|payload| Cursor::new(payload).u32_le()) else {
            return Move::Wait;
        };
        if length == SSL_REQUEST_BYTES && capabilities & capability::SSL != 0 {
            if peeked.len() < HEADER_BYTES + SSL_REQUEST_BYTES {
                return Move::Wait;
            }
            self.tls_promised = true;
            return Move::Answer { drain: HEADER_BYTES + SSL_REQUEST_BYTES, reply: b"" };
        }
        match self.plaintext {
            Plaintext::Allow => Move::Pass,
            Plaintext::Refuse => Move::Refuse(
                Refusal::new(b"HY000", 3159, "Connections using insecure transport are prohibited: connect with TLS")
                    .as_mysql(REFUSAL_SEQUENCE),
            ),
        }
    }
}

fn refuse(why: impl Into<std::borrow::Cow<'static, str>>) -> Move {
    Move::Refuse(Refusal::protocol(why).as_mysql(REFUSAL_SEQUENCE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::negotiation::replay::in_pieces;

    fn ssl_request() -> Vec<u8> {
        let mut payload = (capability::REQUIRED | capability::SSL).to_le_bytes().to_vec();
        payload.resize(SSL_REQUEST_BYTES, 0);
        packet::framed(1, &payload)
    }

    fn plain_response() -> Vec<u8> {
        let mut payload = capability::REQUIRED.to_le_bytes().to_vec();
        payload.resize(60, 0);
        packet::framed(1, &payload)
    }

    fn play(bytes: &[u8], plaintext: Plaintext) -> (Vec<u8>, usize, Move) {
        let run = |piece| {
            let mut negotiation = Negotiation::new(plaintext);
            in_pieces(bytes, piece, move |peeked| negotiation.look(peeked))
        };
        let whole = run(bytes.len());
        for piece in 1..bytes.len() {
            assert_eq!(run(piece), whole, "in pieces of {piece}");
        }
        whole
    }

    fn errno(moved: Move) -> u16 {
        match moved {
            Move::Refuse(bytes) => {
                assert_eq!((bytes[3], bytes[4]), (2, 0xff));
                u16::from_le_bytes([bytes[5], bytes[6]])
            }
            other => panic!("expected a refusal, found {other:?}"),
        }
    }

    #[test]
    fn exactly_the_ssl_request_is_taken_and_tls_passes() {
        let bytes = [ssl_request(), vec![0x16, 3, 1]].concat();
        assert_eq!(play(&bytes, Plaintext::Refuse), (vec![], 36, Move::Pass));
    }

    #[test]
    fn plaintext_gets_the_servers_own_error_or_passes_where_the_listener_allows_it() {
        assert_eq!(errno(play(&plain_response(), Plaintext::Refuse).2), 3159);
        assert_eq!(play(&plain_response(), Plaintext::Allow), (vec![], 0, Move::Pass));
    }

    #[test]
    fn plaintext_behind_ssl_request_is_refused_even_where_plaintext_is_allowed() {
        assert_eq!(errno(play(&[ssl_request(), plain_response()].concat(), Plaintext::Allow).2), 1043);
    }

    #[test]
    fn a_response_of_32_bytes_without_the_flag_is_no_ssl_request() {
        let bytes = packet::framed(1, &[0; 32]);
        assert_eq!(errno(play(&bytes, Plaintext::Refuse).2), 3159);
    }

    #[test]
    fn other_first_packets_are_refused() {
        for bytes in [packet::framed(0, &[0; 32]), packet::framed(1, &[0; 4]), b"GET / HTTP/1.1".to_vec()] {
            assert_eq!(errno(play(&bytes, Plaintext::Allow).2), 1043);
        }
    }
}
