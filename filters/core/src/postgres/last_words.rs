//! The error that ends a login, kept back until the server has closed. A client that has read it may leave at once, and then
//! nobody sees the server's own end, which is what says that the session holds nothing there any more.

/// Longer than any error of a login; past it everything passes.
const MAX_BYTES: usize = 8_192;

/// What a server says last, from the message that holds its error on.
#[derive(Debug, Default)]
pub struct LastWords {
    held: Vec<u8>,
}

impl LastWords {
    /// Takes `bytes` of the server; `ended`: its FIN is behind them. `Some`: these shall pass, and all that comes later.
    pub fn server_sent(&mut self, bytes: &[u8], ended: bool) -> Option<Vec<u8>> {
        self.held.extend_from_slice(bytes);
        (ended || self.held.len() > MAX_BYTES).then(|| std::mem::take(&mut self.held))
    }

    /// What shall pass though the server goes on.
    pub fn overdue(self) -> Vec<u8> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_pass_together_with_the_servers_end() {
        let mut words = LastWords::default();
        assert_eq!(words.server_sent(b"E\0\0\0\x09", false), None);
        assert_eq!(words.server_sent(b"SFATAL", false), None);
        assert_eq!(words.server_sent(b"", true), Some(b"E\0\0\0\x09SFATAL".to_vec()));
    }

    #[test]
    fn nothing_is_lost_of_a_server_that_stays() {
        let mut words = LastWords::default();
        assert_eq!(words.server_sent(b"E", false), None);
        assert_eq!(words.overdue(), b"E");
    }

    #[test]
    fn more_than_any_error_is_not_kept() {
        let mut words = LastWords::default();
        assert_eq!(words.server_sent(&[b'x'; MAX_BYTES], false), None);
        assert_eq!(words.server_sent(b"y", false).map(|passing| passing.len()), Some(MAX_BYTES + 1));
    }
}
