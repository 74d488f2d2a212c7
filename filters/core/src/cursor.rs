//! A reader over untrusted bytes. Every read says by `None` that the bytes end early; nothing here can index past them.

/// Reads forward through a slice. A failed read leaves the position where it was.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, least significant first (MySQL).
    pub fn u16_le(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, least significant first (MySQL).
    pub fn u32_le(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Four bytes, most significant first (Postgres).
    pub fn u32_be(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The bytes before the next NUL; the NUL is consumed too.
    pub fn until_nul(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.take(1)?;
        Some(text)
    }

    /// MySQL's length-encoded integer.
    /// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html>
    pub fn length_encoded(&mut self) -> Option<u64> {
        let mut ahead = *self;
        let value = match ahead.u8()? {
            short @ 0..=0xfa => u64::from(short),
            0xfc => u64::from(ahead.u16_le()?),
            0xfd => ahead.array::<3>().map(|[a, b, c]| u64::from(u32::from_le_bytes([a, b, c, 0])))?,
            0xfe => ahead.array().map(u64::from_le_bytes)?,
            _ => return None,
        };
        *self = ahead;
        Some(value)
    }

    /// A MySQL string behind its length-encoded length.
    pub fn length_encoded_bytes(&mut self) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let length = usize::try_from(ahead.length_encoded()?).ok()?;
        let bytes = ahead.take(length)?;
        *self = ahead;
        Some(bytes)
    }
}

/// The longest beginning of `text` that fits into `limit` bytes and ends between two characters.
pub fn bounded(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_past_the_end_takes_nothing() {
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(cursor.u32_le(), None);
        assert_eq!(cursor.take(4), None);
        assert_eq!(cursor.until_nul(), None);
        assert_eq!(cursor.rest(), &[1, 2, 3]);
    }

    #[test]
    fn a_length_that_lies_takes_nothing() {
        let mut cursor = Cursor::new(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 7]);
        assert_eq!(cursor.length_encoded_bytes(), None);
        assert_eq!(cursor.rest().len(), 10);
        assert_eq!(cursor.length_encoded(), Some(u64::MAX));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(bounded("grün", 3), "gr");
        assert_eq!(bounded("grün", 4), "grü");
        assert_eq!(bounded("grün", 64), "grün");
    }
}
