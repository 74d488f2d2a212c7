//! The SQLSTATE of an ErrorResponse.
//! <https://www.postgresql.org/docs/current/protocol-error-fields.html>

const CODE: u8 = b'C';
const CODE_BYTES: usize = 5;

/// Reads the body of one ErrorResponse, wherever the chunks break.
#[derive(Debug, Default, Clone)]
pub struct ErrorCode {
    /// The field that is being read; 0 between two.
    field: u8,
    code: [u8; CODE_BYTES],
    have: u8,
    over: bool,
}

impl ErrorCode {
    /// Reads on. `Some` when the code is whole.
    pub fn read(&mut self, bytes: &[u8]) -> Option<&str> {
        for &byte in bytes {
            match (self.field, byte) {
                _ if self.over => return None,
                // The end of all fields.
                (0, 0) => self.over = true,
                (0, field) => self.field = field,
                (CODE, 0) => self.over = true,
                (CODE, byte) => {
                    let Some(slot) = self.code.get_mut(usize::from(self.have)) else {
                        self.over = true;
                        return None;
                    };
                    *slot = byte;
                    self.have += 1;
                    if usize::from(self.have) == CODE_BYTES {
                        self.over = true;
                        let plain = self.code.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
                        return std::str::from_utf8(&self.code).ok().filter(|_| plain);
                    }
                }
                (_, 0) => self.field = 0,
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &[u8], piece: usize) -> Option<String> {
        let mut code = ErrorCode::default();
        body.chunks(piece).find_map(|chunk| code.read(chunk).map(str::to_owned))
    }

    #[test]
    fn the_code_is_read_wherever_chunks_break() {
        let body = b"SFATAL\0VFATAL\0C28P01\0MCno\0\0";
        for piece in 1..body.len() {
            assert_eq!(code(body, piece).as_deref(), Some("28P01"));
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        for body in [&b"SFATAL\0\0C28P01\0"[..], b"C28P\0", b"C28p01\0", b"", b"MC28P01\0\0"] {
            assert_eq!(code(body, 1), None);
        }
    }
}
