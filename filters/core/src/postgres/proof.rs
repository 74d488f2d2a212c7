//! The server's answer to a client's SCRAM proof: the one place where a login can fail because of Sluice.
//!
//! A client that binds its login to the certificate it sees (SCRAM-SHA-256-PLUS) sees the front's. The server expects
//! its own, and where the two differ it says so in a message that helps nobody who does not know what is between. It passes
//! with a hint at what to do. Between SCRAM's AuthenticationSASLContinue and the next message of the server, 28000 has no other
//! meaning (a wrong password is 28P01), so nothing of the client has to be looked at.
//! <https://www.postgresql.org/docs/current/sasl-authentication.html#SASL-SCRAM-SHA-256>

use crate::cursor::Cursor;

/// Longer than any error of a login; past it the message passes as it is.
const MAX_MESSAGE_BYTES: usize = 8_192;
const HEADER_BYTES: usize = 5;
const BINDING_FAILED: &[u8] = b"28000";

/// What a person can do about it, in the words of the drivers.
const HINT: &str = "The client bound its login to the TLS certificate of the proxy, which is not the database's. Connect with \
    channel_binding=disable (libpq, psycopg; or PGCHANNELBINDING=disable), channelBinding=disable (pgjdbc), or have the \
    service show the database's own certificate.";

/// An answer that is expected next.
#[derive(Debug, Default)]
pub struct Proof {
    held: Vec<u8>,
}

impl Proof {
    /// Takes `bytes` from the server. `Some`: these shall pass, and the answer has been seen. `None`: an error that is not
    /// whole yet is held, [`MAX_MESSAGE_BYTES`] at most.
    pub fn server_sent(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.held.extend_from_slice(bytes);
        match error_bytes(&self.held) {
            Found::Error(length) => {
                let error = self.held.get(..length)?;
                let hinted = with_hint(error).unwrap_or_else(|| error.to_vec());
                Some([&hinted, self.held.get(length..).unwrap_or_default()].concat())
            }
            Found::NeedMore => None,
            Found::Else => Some(std::mem::take(&mut self.held)),
        }
    }

    /// What is held back of an answer that will not come to its end.
    pub fn unfinished(self) -> Vec<u8> {
        self.held
    }
}

enum Found {
    /// An ErrorResponse of this many bytes.
    Error(usize),
    NeedMore,
    Else,
}

fn error_bytes(bytes: &[u8]) -> Found {
    let [kind, a, b, c, d] = match bytes.first_chunk::<HEADER_BYTES>() {
        Some(header) => *header,
        None if bytes.first().is_none_or(|kind| *kind == b'E') => return Found::NeedMore,
        None => return Found::Else,
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize + 1;
    if kind == b'E' && (HEADER_BYTES..=MAX_MESSAGE_BYTES).contains(&length) {
        Found::Error(length)
    } else {
        Found::Else
    }
}

/// The ErrorResponse `message` with the hint, where it means a failed binding and has none of its own.
fn with_hint(message: &[u8]) -> Option<Vec<u8>> {
    let fields = message.get(HEADER_BYTES..)?;
    let mut cursor = Cursor::new(fields);
    let mut binding_failed = false;
    loop {
        match cursor.u8()? {
            0 => break,
            b'H' => return None,
            b'C' => binding_failed = cursor.until_nul()? == BINDING_FAILED,
            _ => {
                cursor.until_nul()?;
            }
        }
    }
    if !binding_failed || !cursor.rest().is_empty() {
        return None;
    }
    let length = u32::try_from(message.len() - 1 + HINT.len() + 2).ok()?;
    let (_, fields) = message.split_at(HEADER_BYTES);
    let (last, fields) = fields.split_last()?;
    Some([b"E", &length.to_be_bytes()[..], fields, b"H", HINT.as_bytes(), &[0, *last]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(fields: &[u8]) -> Vec<u8> {
        [b"E", &(fields.len() as u32 + 4).to_be_bytes()[..], fields].concat()
    }

    /// What passes, when the bytes come in pieces.
    fn everywhere(bytes: &[u8]) -> Vec<u8> {
        let run = |piece: usize| {
            let mut proof = Proof::default();
            let mut chunks = bytes.chunks(piece);
            let passed = chunks.by_ref().find_map(|chunk| proof.server_sent(chunk));
            [passed.unwrap_or_else(|| proof.unfinished()), chunks.flatten().copied().collect()].concat()
        };
        let whole = run(bytes.len());
        for piece in 1..bytes.len() {
            assert_eq!(run(piece), whole, "in pieces of {piece}");
        }
        whole
    }

    const FAILED: &[u8] = b"SFATAL\0VFATAL\0C28000\0MSCRAM channel binding check failed\0Fauth-scram.c\0\0";

    #[test]
    fn a_failed_binding_passes_with_its_own_code_and_text_and_a_hint() {
        let passed = everywhere(&error(FAILED));
        let (end, fields) = FAILED.split_last().unwrap();
        assert_eq!(passed, error(&[fields, b"H", HINT.as_bytes(), &[0, *end]].concat()));
        assert!(HINT.contains("channel_binding=disable"));
    }

    #[test]
    fn every_other_answer_passes_as_it_is() {
        let long = error(&[b"C28000\0M", &[b'x'; MAX_MESSAGE_BYTES][..], b"\0\0"].concat());
        for answer in [
            &error(b"SFATAL\0C28P01\0Mpassword authentication failed\0\0")[..],
            &error(b"SFATAL\0C28000\0Mx\0Hits own\0\0"),
            &error(b"SFATAL\0C28000\0Mx\0"),
            &error(b"C28000\0\0Mbehind the end\0"),
            b"R\0\0\0\x0c\0\0\0\x0cv=abR\0\0\0\x08\0\0\0\0",
            b"E\0\0\0\x03",
            b"E\xff\xff\xff\xffC28000\0\0",
            &long,
            b"E\0",
        ] {
            assert_eq!(everywhere(answer), answer);
        }
    }

    #[test]
    fn what_follows_the_error_follows_the_hint() {
        let passed = everywhere(&[&error(FAILED)[..], b"behind"].concat());
        assert!(passed.ends_with(b"certificate.\0\0behind"));
    }
}
