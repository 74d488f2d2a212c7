//! What the `handshake` filter does next. Both protocols decide by looking at bytes that are still in the socket.

use crate::config::Greeting;

/// May a client of this listener go on without TLS?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// It is told, in its protocol, to use TLS.
    Refuse,
    /// Its startup message passes to the next filter.
    Allow,
}

/// The next move, given the bytes that the client has sent and nobody has taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Too few bytes to tell: look again when more have come.
    Wait,
    /// Take `drain` bytes from the socket, send `reply`, look again at what is left.
    Answer {
        /// Bytes to take.
        drain: usize,
        /// Bytes to send.
        reply: &'static [u8],
    },
    /// What is in the socket belongs to the next filter.
    Pass,
    /// Send this and close.
    Refuse(Vec<u8>),
}

/// The first byte of a TLS record that carries a handshake (RFC 8446, 5.1).
pub const TLS_HANDSHAKE_RECORD: u8 = 0x16;

/// The protocol of a listener, with what its negotiation needs.
#[derive(Debug, Clone)]
pub enum Opening {
    /// The client speaks first.
    Postgres(Plaintext),
    /// The front speaks first, with this greeting.
    Mysql(Plaintext, Greeting),
}

#[cfg(test)]
pub(crate) mod replay {
    use super::Move;

    /// Feeds `bytes` in pieces of `piece`, as a socket that is peeked would show them; returns every reply, how many
    /// bytes were taken, and the last move.
    pub fn in_pieces(bytes: &[u8], piece: usize, mut look: impl FnMut(&[u8]) -> Move) -> (Vec<u8>, usize, Move) {
        let (mut replies, mut taken, mut arrived) = (Vec::new(), 0, 0);
        let mut last = Move::Wait;
        while arrived < bytes.len() {
            arrived = (arrived + piece).min(bytes.len());
            loop {
                last = look(&bytes[taken..arrived]);
                match &last {
                    Move::Answer { drain, reply } => {
                        assert!(*drain > 0, "an answer that takes nothing would loop for ever");
                        taken += drain;
                        replies.extend_from_slice(reply);
                    }
                    Move::Wait => break,
                    Move::Pass | Move::Refuse(_) => return (replies, taken, last),
                }
            }
        }
        (replies, taken, last)
    }
}
