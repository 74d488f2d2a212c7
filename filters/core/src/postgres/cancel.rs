//! CancelRequest: a connection of its own that asks the server to stop what a session is doing. Who knows the session's key
//! may; nobody is answered.
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS>

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::code;
use crate::cursor::Cursor;

/// Keys have 4 bytes in protocol 3.0, and as many as the server likes within this in 3.2.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-BACKENDKEYDATA>
pub const MAX_KEY_BYTES: usize = 256;
const MIN_KEY_BYTES: usize = 4;

/// Length, request code and process id.
const FIXED_BYTES: usize = 12;

/// Of SHA-256's 32: enough to tell keys apart, and it travels with every report.
const DIGEST_BYTES: usize = 16;

/// What a server tells a session, and what a request must name.
#[derive(Clone, PartialEq, Eq)]
pub struct CancelKey {
    /// The server process.
    pub pid: u32,
    /// Known to its client alone.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CancelKey of {} with {} bytes", self.pid, self.secret.len())
    }
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// More bytes are needed to tell.
    NeedMore,
    /// A whole CancelRequest of this many bytes.
    Whole(CancelKey, usize),
    /// A CancelRequest that no server would act on.
    Malformed,
}

/// Is this the beginning of a CancelRequest, whatever follows?
pub fn begins(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes);
    cursor.u32_be().is_some() && cursor.u32_be() == Some(code::CANCEL_REQUEST)
}

/// Reads the CancelRequest at the beginning of `bytes`, which [`begins`] with one.
pub fn read(bytes: &[u8]) -> Reading {
    let mut cursor = Cursor::new(bytes);
    let Some(length) = cursor.u32_be().map(|length| length as usize) else { return Reading::NeedMore };
    if !(FIXED_BYTES + MIN_KEY_BYTES..=FIXED_BYTES + MAX_KEY_BYTES).contains(&length) {
        return Reading::Malformed;
    }
    let (Some(_), Some(pid), Some(key)) = (cursor.u32_be(), cursor.u32_be(), cursor.take(length - FIXED_BYTES)) else {
        return Reading::NeedMore;
    };
    Reading::Whole(CancelKey { pid, secret: key.to_vec() }, length)
}

impl CancelKey {
    /// In hex, as it goes to the brain that has to send it on.
    pub fn secret_hex(&self) -> String {
        hex(&self.secret)
    }

    /// What is told of a session's key: by it a key can be recognised, on the connection with this id alone. Four bytes can
    /// be found from it by trying all of them, so it is a secret still.
    pub fn digest(&self, connection: &str) -> String {
        let salted = Sha256::new_with_prefix(connection).chain_update(self.pid.to_be_bytes());
        let hashed = salted.chain_update(&self.secret).finalize();
        hex(hashed.get(..DIGEST_BYTES).unwrap_or_default())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: &[u8]) -> Vec<u8> {
        let length = u32::try_from(FIXED_BYTES + key.len()).unwrap();
        [&length.to_be_bytes()[..], &code::CANCEL_REQUEST.to_be_bytes(), &[0, 0, 0x30, 0x39], key].concat()
    }

    #[test]
    fn a_request_of_either_protocol_version_is_read_wherever_chunks_break() {
        for key in [&[0xaa, 0xbb, 0xcc, 0xdd][..], &[7; 32], &[7; MAX_KEY_BYTES]] {
            let bytes = request(key);
            for end in 0..bytes.len() {
                assert_eq!(read(&bytes[..end]), Reading::NeedMore, "after {end} bytes");
                assert_eq!(begins(&bytes[..end]), end >= 8);
            }
            let expected = CancelKey { pid: 12345, secret: key.to_vec() };
            assert_eq!(read(&[&bytes[..], b"more"].concat()), Reading::Whole(expected, bytes.len()));
        }
    }

    #[test]
    fn a_key_that_no_server_gives_is_malformed() {
        for length in [0, 3, MAX_KEY_BYTES + 1, 1000] {
            assert_eq!(read(&request(&vec![1; length])), Reading::Malformed, "{length} bytes");
        }
    }

    #[test]
    fn a_digest_is_of_the_connection_the_process_and_every_byte_of_the_key() {
        let digest =
            |connection: &str, pid, secret: &[u8]| CancelKey { pid, secret: secret.to_vec() }.digest(connection);
        let of = digest("0123456789abcdef0123456789abcdef", 12345, &[1, 2, 3, 4]);
        assert_eq!(of, "4a71732d9ccf9defaf5157fd211a29f2");
        assert_ne!(of, digest("0123456789abcdef0123456789abcdee", 12345, &[1, 2, 3, 4]));
        assert_ne!(of, digest("0123456789abcdef0123456789abcdef", 12346, &[1, 2, 3, 4]));
        assert_ne!(of, digest("0123456789abcdef0123456789abcdef", 12345, &[1, 2, 3, 4, 0]));
    }

    #[test]
    fn a_key_shows_in_no_debug_output() {
        let key = CancelKey { pid: 1, secret: vec![0xab; 4] };
        assert!(!format!("{key:?}").contains("171"));
    }
}
