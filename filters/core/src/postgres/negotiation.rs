//! Postgres before TLS: which of its openings a client uses.
//!
//! ```text
//!            GSSENCRequest / N (once)
//!                ┌────┐
//!                ▼    │
//!  accept ──▶ Asking ─┴─ SSLRequest / S ──▶ Promised ── TLS ──▶ pass
//!                │                              └────── else ──▶ refuse
//!                ├─ TLS (direct, PG 17) ──▶ pass
//!                ├─ StartupMessage ──▶ refuse, or pass where the listener allows plaintext
//!                ├─ CancelRequest ──▶ pass: clients send it in clear even where their sessions have TLS
//!                └─ else ──▶ refuse
//! ```

use super::{MAJOR_VERSION, code};
use crate::cursor::Cursor;
use crate::negotiation::{Move, Plaintext, TLS_HANDSHAKE_RECORD};
use crate::refusal::Refusal;

/// The length of SSLRequest and GSSENCRequest, and of the part of every startup packet that tells them apart.
const REQUEST_BYTES: usize = 8;

/// One connection's negotiation.
#[derive(Debug)]
pub struct Negotiation {
    plaintext: Plaintext,
    encryption_declined: bool,
    tls_promised: bool,
}

impl Negotiation {
    /// A client that has said nothing yet.
    pub fn new(plaintext: Plaintext) -> Self {
        Self { plaintext, encryption_declined: false, tls_promised: false }
    }

    /// Looks at the bytes that the client has sent and nobody has taken.
    pub fn look(&mut self, peeked: &[u8]) -> Move {
        match peeked.first() {
            None => return Move::Wait,
            Some(&TLS_HANDSHAKE_RECORD) => return Move::Pass,
            // CVE-2021-23222: bytes stuffed behind SSLRequest must never count as what TLS protects.
            Some(_) if self.tls_promised => return refuse("expected TLS after SSLRequest, found plaintext"),
            // A startup packet is at most 10,000 bytes, so its length begins with 0: no need to wait for the rest.
            Some(1..) => return refuse("expected a Postgres startup packet or TLS"),
            Some(0) => {}
        }
        let mut cursor = Cursor::new(peeked);
        let (Some(length), Some(code)) = (cursor.u32_be(), cursor.u32_be()) else { return Move::Wait };
        match code {
            code::SSL_REQUEST if length as usize == REQUEST_BYTES => {
                self.tls_promised = true;
                Move::Answer { drain: REQUEST_BYTES, reply: b"S" }
            }
            code::GSSENC_REQUEST if length as usize == REQUEST_BYTES && !self.encryption_declined => {
                self.encryption_declined = true;
                Move::Answer { drain: REQUEST_BYTES, reply: b"N" }
            }
            // Postgres takes it so on a server that demands TLS, and libpq before 17 sends it no other way.
            code::CANCEL_REQUEST => Move::Pass,
            version if version >> 16 == MAJOR_VERSION => match self.plaintext {
                Plaintext::Allow => Move::Pass,
                Plaintext::Refuse => Move::Refuse(needs_tls().as_postgres()),
            },
            version => refuse(format!(
                "expected protocol {MAJOR_VERSION}, SSLRequest or TLS, found code {}.{} of length {length}",
                version >> 16,
                version & 0xffff
            )),
        }
    }
}

fn refuse(why: impl Into<std::borrow::Cow<'static, str>>) -> Move {
    Move::Refuse(Refusal::protocol(why).as_postgres())
}

fn needs_tls() -> Refusal {
    let mut refusal = Refusal::new(b"28000", 3159, "this listener accepts only TLS connections");
    refusal.hint = Some("Connect with sslmode=require (or ssl: true) and by host name, not by address.".into());
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::negotiation::replay::in_pieces;

    const SSL: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    const GSS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
    const CANCEL: [u8; 16] = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2];
    const STARTUP: [u8; 17] = *b"\0\0\0\x11\0\x03\0\0user\0a\0\0\0";

    fn play(bytes: &[u8], plaintext: Plaintext) -> (Vec<u8>, usize, Move) {
        let whole = in_pieces(bytes, bytes.len().max(1), {
            let mut negotiation = Negotiation::new(plaintext);
            move |peeked| negotiation.look(peeked)
        });
        for piece in 1..bytes.len() {
            let mut negotiation = Negotiation::new(plaintext);
            let split = in_pieces(bytes, piece, move |peeked| negotiation.look(peeked));
            assert_eq!(split, whole, "in pieces of {piece}");
        }
        whole
    }

    fn text(moved: Move) -> String {
        match moved {
            Move::Refuse(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => panic!("expected a refusal, found {other:?}"),
        }
    }

    #[test]
    fn ssl_request_is_answered_s_and_tls_passes() {
        let (replies, taken, last) = play(&[&SSL[..], &[0x16, 3, 1]].concat(), Plaintext::Refuse);
        assert_eq!((replies.as_slice(), taken, last), (&b"S"[..], 8, Move::Pass));
    }

    #[test]
    fn gssenc_request_is_declined_and_ssl_request_may_follow() {
        let (replies, taken, last) = play(&[&GSS[..], &SSL, &[0x16]].concat(), Plaintext::Refuse);
        assert_eq!((replies.as_slice(), taken, last), (&b"NS"[..], 16, Move::Pass));
    }

    #[test]
    fn gssenc_request_is_declined_once() {
        assert!(text(play(&[GSS, GSS].concat(), Plaintext::Allow).2).contains("08P01"));
    }

    #[test]
    fn direct_tls_passes_untouched() {
        assert_eq!(play(&[0x16, 3, 1, 2, 0], Plaintext::Refuse), (vec![], 0, Move::Pass));
    }

    #[test]
    fn plaintext_is_told_to_use_tls_or_passes_where_the_listener_allows_it() {
        let refused = text(play(&STARTUP, Plaintext::Refuse).2);
        assert!(refused.contains("28000") && refused.contains("sslmode=require"), "{refused}");
        assert_eq!(play(&STARTUP, Plaintext::Allow), (vec![], 0, Move::Pass));
        assert_eq!(play(&[&GSS[..], &STARTUP].concat(), Plaintext::Allow), (b"N".to_vec(), 8, Move::Pass));
    }

    #[test]
    fn plaintext_behind_ssl_request_is_refused_even_where_plaintext_is_allowed() {
        for stuffed in [&STARTUP[..], &SSL, &GSS, &CANCEL] {
            let (replies, _, last) = play(&[&SSL[..], stuffed].concat(), Plaintext::Allow);
            assert_eq!(replies, b"S");
            assert!(text(last).contains("found plaintext"));
        }
    }

    #[test]
    fn a_cancel_request_passes_in_clear_even_where_sessions_need_tls() {
        for plaintext in [Plaintext::Allow, Plaintext::Refuse] {
            assert_eq!(play(&CANCEL, plaintext), (vec![], 0, Move::Pass));
        }
    }

    #[test]
    fn other_protocols_and_versions_are_refused() {
        for odd in [&b"GET / HTTP/1.1\r\n"[..], b"\0\0\0\x08\0\x02\0\0", b"\0\0\0\x09\x04\xd2\x16\x2f\0", &[0xff; 9]] {
            assert!(text(play(odd, Plaintext::Allow).2).contains("08P01"));
        }
    }
}
