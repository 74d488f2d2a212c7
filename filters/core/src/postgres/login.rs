//! Server to client, until login is over: which backend serves the connection, and whether it let the client in.
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>
//!
//! Only headers, one number and, until it is reported, the cancel key are kept; bodies are skipped by their length, wherever
//! the chunks break.

use super::cancel::{self, CancelKey};

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// BackendKeyData: the process id.
    ServerId(u32),
    /// The secret behind it, by which the session can be cancelled.
    CancelKey(CancelKey),
    /// AuthenticationSASLContinue of SCRAM: the client's proof is next, then the server's answer to it.
    ProofWanted,
    /// The first ReadyForQuery.
    Ready,
    /// ErrorResponse: before ReadyForQuery it is always the end.
    Failed,
}

const HEADER_BYTES: usize = 5;
/// The kind of Authentication.
const SASL_CONTINUE: [u8; 4] = [0, 0, 0, 11];
/// How SCRAM goes on, with its nonce. OAUTHBEARER says there that it has failed.
const NONCE: u8 = b'r';
/// Longer than any message of a login; past it this is no Postgres and there is nothing to learn.
const MAX_MESSAGE_BYTES: u32 = 1 << 20;

/// Follows one connection's login.
#[derive(Debug, Default)]
pub struct Login {
    /// Type, length and, of BackendKeyData, the process id, of Authentication its kind and the byte behind.
    head: [u8; HEADER_BYTES + 5],
    have: usize,
    skip: usize,
    key: Vec<u8>,
    key_left: usize,
    over: bool,
}

impl Login {
    /// True when nothing that follows is looked at.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// True while it goes on and the client has read whole messages, if any.
    pub fn is_between_messages(&self) -> bool {
        !self.over && self.have == 0 && self.skip == 0 && self.key_left == 0
    }

    /// Reads the next bytes from the server and reports what they say. Returns those behind the header that ended it.
    pub fn follow<'a>(&mut self, mut bytes: &'a [u8], mut report: impl FnMut(Event)) -> &'a [u8] {
        while !self.over {
            if self.key_left > 0 {
                let (part, rest) = bytes.split_at(self.key_left.min(bytes.len()));
                self.key.extend_from_slice(part);
                self.key_left -= part.len();
                bytes = rest;
                if self.key_left > 0 {
                    return bytes;
                }
                let [_, _, _, _, _, pid @ .., _] = self.head;
                let secret = std::mem::take(&mut self.key);
                report(Event::CancelKey(CancelKey { pid: u32::from_be_bytes(pid), secret }));
            }
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            let (_, rest) = bytes.split_at(skipped);
            let Some((&byte, rest)) = rest.split_first() else { return rest };
            bytes = rest;
            if let Some(slot) = self.head.get_mut(self.have) {
                *slot = byte;
                self.have += 1;
            }
            self.advance(&mut report);
        }
        bytes
    }

    fn advance(&mut self, report: &mut impl FnMut(Event)) {
        let [kind, a, b, c, d, number @ .., first] = self.head;
        let mut wanted = if self.have >= 1 && matches!(kind, b'K' | b'R') { HEADER_BYTES + 4 } else { HEADER_BYTES };
        if self.have < wanted {
            return;
        }
        let length = u32::from_be_bytes([a, b, c, d]);
        if !(4 + (wanted - HEADER_BYTES) as u32..=MAX_MESSAGE_BYTES).contains(&length) {
            self.over = true;
            return;
        }
        let goes_on = kind == b'R' && number == SASL_CONTINUE && length > 8;
        wanted += usize::from(goes_on);
        if self.have < wanted {
            return;
        }
        self.skip = length as usize + 1 - wanted;
        self.have = 0;
        match kind {
            b'K' => {
                report(Event::ServerId(u32::from_be_bytes(number)));
                if self.skip <= cancel::MAX_KEY_BYTES {
                    self.key_left = std::mem::take(&mut self.skip);
                }
            }
            b'R' if goes_on && first == NONCE => report(Event::ProofWanted),
            b'Z' => self.end(Event::Ready, report),
            b'E' => self.end(Event::Failed, report),
            _ => {}
        }
    }

    fn end(&mut self, event: Event, report: &mut impl FnMut(Event)) {
        self.over = true;
        report(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(bytes: &[u8], piece: usize) -> (Vec<Event>, bool) {
        let (mut login, mut events) = (Login::default(), Vec::new());
        for chunk in bytes.chunks(piece) {
            login.follow(chunk, |event| {
                events.push(event);
            });
        }
        (events, login.is_over())
    }

    fn everywhere(bytes: &[u8]) -> (Vec<Event>, bool) {
        let whole = follow(bytes, bytes.len());
        for piece in 1..bytes.len() {
            assert_eq!(follow(bytes, piece), whole, "in pieces of {piece}");
        }
        whole
    }

    #[test]
    fn the_backends_id_and_readiness_are_seen_wherever_chunks_break() {
        let login =
            b"R\0\0\0\x08\0\0\0\0S\0\0\0\x09a\0b\0\0K\0\0\0\x0c\0\0\x30\x39\xaa\xbb\xcc\xddZ\0\0\0\x05IT\0\0\0\x04";
        let key = Event::CancelKey(CancelKey { pid: 12345, secret: vec![0xaa, 0xbb, 0xcc, 0xdd] });
        assert_eq!(everywhere(login), (vec![Event::ServerId(12345), key, Event::Ready], true));
    }

    #[test]
    fn a_longer_cancel_key_of_protocol_3_2_is_seen_whole() {
        let login = [&b"K\0\0\0\x28\0\0\0\x07"[..], &[b'Z'; 32], b"Z\0\0\0\x05I"].concat();
        let key = Event::CancelKey(CancelKey { pid: 7, secret: vec![b'Z'; 32] });
        assert_eq!(everywhere(&login), (vec![Event::ServerId(7), key, Event::Ready], true));
    }

    #[test]
    fn a_key_that_is_longer_than_any_is_not_kept() {
        let login = [&b"K\0\0\x01\x09\0\0\0\x07"[..], &[b'Z'; 257], b"Z\0\0\0\x05I"].concat();
        assert_eq!(everywhere(&login), (vec![Event::ServerId(7), Event::Ready], true));
        assert_eq!(everywhere(b"K\0\0\0\x08\0\0\0\x07Z\0\0\0\x05I"), (vec![Event::ServerId(7), Event::Ready], true));
    }

    #[test]
    fn an_error_before_readiness_is_a_failed_login() {
        assert_eq!(everywhere(b"R\0\0\0\x08\0\0\0\x05E\0\0\0\x09SFATALZ\0\0\0\x05I"), (vec![Event::Failed], true));
    }

    #[test]
    fn a_proof_is_wanted_by_scram_alone() {
        let scram = b"R\0\0\0\x0b\0\0\0\x0br=nR\0\0\0\x08\0\0\0\0E\0\0\0\x05\0";
        assert_eq!(everywhere(scram), (vec![Event::ProofWanted, Event::Failed], true));
        for other in [&b"R\0\0\0\x0a\0\0\0\x0b{}E\0\0\0\x05\0"[..], b"R\0\0\0\x08\0\0\0\x0bE\0\0\0\x05r"] {
            assert_eq!(everywhere(other), (vec![Event::Failed], true));
        }
    }

    #[test]
    fn words_of_ones_own_have_a_place_between_two_messages_of_a_login_alone() {
        let bytes = b"R\0\0\0\x0b\0\0\0\x0br=nK\0\0\0\x0c\0\0\0\x07keyyZ\0\0\0\x05I";
        let places: Vec<usize> = (0..=bytes.len())
            .filter(|sent| {
                let mut login = Login::default();
                login.follow(&bytes[..*sent], |_| {});
                login.is_between_messages()
            })
            .collect();
        assert_eq!(places, [0, 12, 25]);
    }

    #[test]
    fn a_length_that_lies_ends_the_watch() {
        assert_eq!(everywhere(b"R\0\0\0\x03Z\0\0\0\x05I"), (vec![], true));
        assert_eq!(everywhere(b"K\0\0\0\x07\0\0\0\x01Z"), (vec![], true));
        assert_eq!(everywhere(b"R\xff\xff\xff\xffZ\0\0\0\x05I"), (vec![], true));
    }
}
