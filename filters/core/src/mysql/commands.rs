//! Client to server, after login: finds COM_CHANGE_USER by walking packet headers. Payloads are skipped by their length.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html>
//!
//! Which packet is a command? One that is numbered 0, except where it goes on with something: the rest of a command or of
//! a file of 16 MB (its predecessor has the greatest length), and a file of LOCAL INFILE whose numbers have come round
//! from 255 to 0 (its predecessor was number 255 and not the empty packet that ends a file). Every other packet numbered 0
//! starts a command, or the server closes the connection for packets out of order.

use super::packet::{self, CONTINUES, HEADER_BYTES};

const COM_CHANGE_USER: u8 = 0x11;

/// What the bytes at hand contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing to look at: all may pass.
    Nothing,
    /// The packet at this offset has begun, but can't be told yet. What is before it may pass; offer it again with more.
    Undecided(usize),
    /// A COM_CHANGE_USER at this offset, of this length on the wire, all of it here or not.
    ChangeUser {
        /// Where its header begins.
        at: usize,
        /// Header and payload.
        bytes: usize,
    },
}

/// The packets of one client.
#[derive(Debug, Default, Clone, Copy)]
pub struct Commands {
    payload_left: usize,
    last_length: u32,
    last_sequence: u8,
}

impl Commands {
    /// Starts a walk over the bytes that have arrived and not passed.
    pub fn walk(&mut self) -> Walk<'_> {
        Walk { commands: self, offset: 0, head: [0; HEADER_BYTES + 1], have: 0, found: Found::Nothing }
    }

    fn starts_command(&self, sequence: u8) -> bool {
        let goes_on = self.last_length == CONTINUES || (self.last_sequence == u8::MAX && self.last_length > 0);
        sequence == 0 && !goes_on
    }
}

/// One walk. Give it the chunks in order until it returns false, then ask for the end.
#[derive(Debug)]
pub struct Walk<'a> {
    commands: &'a mut Commands,
    offset: usize,
    head: [u8; HEADER_BYTES + 1],
    have: usize,
    found: Found,
}

impl Walk<'_> {
    /// The next chunk; false when no further one matters.
    pub fn chunk(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let skipped = self.commands.payload_left.min(bytes.len());
            self.commands.payload_left -= skipped;
            self.offset += skipped;
            let (_, rest) = bytes.split_at(skipped);
            let Some((&byte, rest)) = rest.split_first() else { return true };
            bytes = rest;
            self.offset += 1;
            if let Some(slot) = self.head.get_mut(self.have) {
                *slot = byte;
                self.have += 1;
            }
            if !self.advance() {
                return false;
            }
        }
    }

    fn advance(&mut self) -> bool {
        let Some((length, sequence)) = packet::header(&self.head).filter(|_| self.have >= HEADER_BYTES) else {
            return true;
        };
        let command = length > 0 && self.commands.starts_command(sequence);
        if command && self.have == HEADER_BYTES {
            return true;
        }
        let [.., first] = self.head;
        if command && first == COM_CHANGE_USER {
            self.found = Found::ChangeUser { at: self.offset - self.have, bytes: HEADER_BYTES + length };
            return false;
        }
        self.commands.last_length = length as u32;
        self.commands.last_sequence = sequence;
        self.commands.payload_left = length - (self.have - HEADER_BYTES);
        self.have = 0;
        true
    }

    /// What was found in all chunks.
    pub fn end(self) -> Found {
        match self.found {
            Found::Nothing if self.have > 0 => Found::Undecided(self.offset - self.have),
            found => found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::packet::framed;

    /// Walks as the session filter does: what can't be told is offered again, with the next piece behind it.
    fn offsets(bytes: &[u8], piece: usize) -> Vec<usize> {
        let (mut commands, mut found) = (Commands::default(), Vec::new());
        let (mut passed, mut arrived) = (0, 0);
        while arrived < bytes.len() {
            arrived = (arrived + piece).min(bytes.len());
            loop {
                let mut walk = commands.walk();
                walk.chunk(&bytes[passed..arrived]);
                match walk.end() {
                    Found::Nothing => passed = arrived,
                    Found::Undecided(at) => passed += at,
                    Found::ChangeUser { at, bytes: length } => {
                        if passed + at + length > arrived {
                            passed += at;
                            break;
                        }
                        found.push(passed + at);
                        passed += at + length;
                        continue;
                    }
                }
                break;
            }
        }
        found
    }

    fn everywhere(bytes: &[u8]) -> Vec<usize> {
        let whole = offsets(bytes, bytes.len());
        for piece in 1..bytes.len().min(64) {
            assert_eq!(offsets(bytes, piece), whole, "in pieces of {piece}");
        }
        whole
    }

    #[test]
    fn a_change_of_user_is_found_between_other_commands() {
        let bytes =
            [framed(0, b"\x03select 1"), framed(0, b"\x11root\0"), framed(0, b"\x0e"), framed(0, b"\x11")].concat();
        assert_eq!(everywhere(&bytes), [13, 28]);
    }

    #[test]
    fn its_byte_inside_a_payload_is_no_command() {
        let long_data = framed(0, &[&[0x18, 1, 0, 0, 0, 0, 0][..], &framed(0, b"\x11root\0")].concat());
        let reply = framed(3, b"\x11not a command");
        assert_eq!(everywhere(&[long_data, reply, framed(0, b"")].concat()), [0; 0]);
    }

    #[test]
    fn a_packet_that_continues_the_greatest_length_is_no_command() {
        let mut bytes = vec![0xff, 0xff, 0xff, 255, 3];
        bytes.resize(4 + CONTINUES as usize, b'x');
        bytes.extend(framed(0, b"\x11the rest of it"));
        let end = bytes.len();
        bytes.extend(framed(0, b"\x11root\0"));
        assert_eq!(offsets(&bytes, 1 << 20), [end]);
    }

    #[test]
    fn a_file_whose_numbers_come_round_is_no_command_and_its_end_is_an_end() {
        let mut bytes = framed(0, b"\x03load data local infile 'x' into table t");
        for sequence in (2..=255).chain(0..=2) {
            bytes.extend(framed(sequence, b"\x11line of the file"));
        }
        bytes.extend(framed(3, b""));
        let end = bytes.len();
        bytes.extend(framed(0, b"\x11root\0"));
        assert_eq!(everywhere(&bytes), [end]);
    }

    #[test]
    fn a_file_that_ends_at_number_255_is_followed_by_commands() {
        let mut bytes = framed(0, b"\x03load data local infile 'x' into table t");
        for sequence in 2..255 {
            bytes.extend(framed(sequence, b"line"));
        }
        bytes.extend(framed(255, b""));
        let end = bytes.len();
        bytes.extend(framed(0, b"\x11root\0"));
        assert_eq!(everywhere(&bytes), [end]);
    }
}
