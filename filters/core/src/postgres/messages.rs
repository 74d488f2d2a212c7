//! Messages of one direction: a byte of type, four of length, the body, which is skipped.
//! <https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS>

use super::follow::Unexplained;

const HEADER_BYTES: usize = 5;
/// ReadyForQuery is the only message that is looked into: its status.
const READY: u8 = b'Z';

/// Walks the messages, wherever the chunks break.
#[derive(Debug, Default, Clone)]
pub struct Messages {
    head: [u8; HEADER_BYTES + 1],
    have: u8,
    has_passed_over: bool,
    skip: u32,
}

/// One message.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// Its type.
    pub kind: u8,
    /// The first byte of a ReadyForQuery; of any other, of no meaning.
    pub first: u8,
}

impl Messages {
    /// True before the first byte of a message.
    pub fn is_between(&self) -> bool {
        self.have == 0 && self.skip == 0
    }

    /// True where messages were passed over since it was asked last.
    pub(super) fn has_passed_over(&mut self) -> bool {
        std::mem::take(&mut self.has_passed_over)
    }

    /// Skips the next `bytes`.
    pub fn skip(&mut self, bytes: u32) {
        self.skip = bytes;
    }

    /// The next message whose header ends in `bytes`, which are moved past what was read; those of the kinds in `bulk` are
    /// passed over. `Err` for a length that can't be.
    #[inline]
    pub(super) fn next(&mut self, bytes: &mut &[u8], bulk: [u8; 2]) -> Result<Option<Message>, Unexplained> {
        loop {
            self.pass_over(bytes, bulk)?;
            match self.header(bytes)? {
                Some(message) if bulk.contains(&message.kind) => self.has_passed_over = true,
                message => return Ok(message),
            }
        }
    }

    /// Rows and copy data, as long as each header is whole: most of all messages.
    #[inline]
    fn pass_over(&mut self, bytes: &mut &[u8], [this, that]: [u8; 2]) -> Result<(), Unexplained> {
        if !self.is_between() {
            return Ok(());
        }
        while let [kind, a, b, c, d, ..] = **bytes
            && (kind == this || kind == that)
        {
            let length = u32::from_be_bytes([a, b, c, d]);
            if length < 4 || length > i32::MAX as u32 {
                return Err(Unexplained);
            }
            self.has_passed_over = true;
            let Some(rest) = bytes.get(1 + length as usize..) else {
                self.skip = length + 1 - bytes.len() as u32;
                *bytes = &[];
                return Ok(());
            };
            *bytes = rest;
        }
        Ok(())
    }

    fn header(&mut self, bytes: &mut &[u8]) -> Result<Option<Message>, Unexplained> {
        loop {
            let skipped = (self.skip as usize).min(bytes.len());
            self.skip -= skipped as u32;
            let (_, rest) = bytes.split_at(skipped);
            *bytes = rest;
            let Some((&byte, rest)) = rest.split_first() else { return Ok(None) };
            *bytes = rest;
            if let Some(slot) = self.head.get_mut(usize::from(self.have)) {
                *slot = byte;
                self.have += 1;
            }
            let [kind, a, b, c, d, first] = self.head;
            let inside = u32::from(kind == READY);
            if usize::from(self.have) < HEADER_BYTES + inside as usize {
                continue;
            }
            self.have = 0;
            let length = u32::from_be_bytes([a, b, c, d]);
            if length < 4 + inside || length > i32::MAX as u32 {
                return Err(Unexplained);
            }
            self.skip = length - 4 - inside;
            return Ok(Some(Message { kind, first }));
        }
    }
}
