//! Client to server, after login: finds COM_CHANGE_USER, and KILLs of ids that only the front knows, by walking packet
//! headers. Payloads are skipped by their length; of a short statement the first bytes are looked at.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html>
//!
//! Which packet is a command? One that is numbered 0, except where it goes on with something: the rest of a command or of
//! a file of 16 MB (its predecessor has the greatest length), and a file of LOCAL INFILE whose numbers have come round
//! from 255 to 0 (its predecessor was number 255 and not the empty packet that ends a file). Every other packet numbered 0
//! starts a command, or the server closes the connection for packets out of order.
//!
//! Whether a file is going on, only the server knows: one that has given up on it, or has skipped a packet too long for it,
//! waits for a command instead. So behind a number 255 what looks like COM_CHANGE_USER is neither, but [`Found::Unclear`].

use super::kill::{self, Kill, Peeked};
use super::packet::{self, CONTINUES, HEADER_BYTES};
use super::{capability, response};
use crate::refusal::Refusal;

const COM_CHANGE_USER: u8 = 0x11;
/// The longest COM_CHANGE_USER that is read: as much as a login may take.
const MAX_CHANGE_USER_BYTES: usize = response::MAX_BYTES;

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
    /// A whole KILL of one of the front's ids, at this offset, of this length on the wire.
    Kill {
        /// Where its header begins.
        at: usize,
        /// Header and payload.
        bytes: usize,
        /// Whom, and how.
        kill: Kill,
    },
    /// A COM_CHANGE_USER, or a piece of a file that happens to begin with its byte.
    Unclear,
}

/// What may pass of the bytes at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// All of them.
    All,
    /// What is before this offset; the rest waits for more.
    Hold(usize),
    /// What is before this offset; the rest can't become whole any more.
    Cut(usize),
    /// A whole COM_CHANGE_USER, at this offset, of this length.
    ChangeUser {
        /// Where its header begins.
        at: usize,
        /// Header and payload.
        bytes: usize,
    },
    /// What is before this offset; then a KILL of this length that must be translated.
    Kill {
        /// Where its header begins.
        at: usize,
        /// Header and payload.
        bytes: usize,
        /// Whom, and how.
        kill: Kill,
    },
    /// None.
    Refuse(Refusal),
}

impl Found {
    /// What may pass of `available` bytes. After `end_stream` nothing waits: the server would never learn of the end.
    pub fn passage(self, available: usize, end_stream: bool) -> Passage {
        match self {
            Self::Nothing => Passage::All,
            // Less than a packet: no server acts on it.
            Self::Undecided(_) if end_stream => Passage::All,
            Self::Undecided(at) => Passage::Hold(at),
            Self::ChangeUser { bytes, .. } if bytes > MAX_CHANGE_USER_BYTES => {
                Passage::Refuse(Refusal::protocol(format!("COM_CHANGE_USER of {bytes} bytes")))
            }
            Self::ChangeUser { at, bytes } if at + bytes <= available => Passage::ChangeUser { at, bytes },
            Self::ChangeUser { at, .. } if end_stream => Passage::Cut(at),
            Self::ChangeUser { at, .. } => Passage::Hold(at),
            Self::Kill { at, bytes, kill } => Passage::Kill { at, bytes, kill },
            Self::Unclear => {
                Passage::Refuse(Refusal::protocol("a packet that may be COM_CHANGE_USER or part of a file"))
            }
        }
    }
}

/// The packets of one client.
#[derive(Debug, Default, Clone, Copy)]
pub struct Commands {
    payload_left: usize,
    last_length: u32,
    last_sequence: u8,
    /// Statements begin with their attributes.
    attributes: bool,
}

impl Commands {
    /// Those of a client with `capabilities`.
    pub fn of(capabilities: u32) -> Self {
        Self { attributes: capabilities & capability::QUERY_ATTRIBUTES != 0, ..Self::default() }
    }

    /// Starts a walk over the bytes that have arrived and not passed.
    pub fn walk(&mut self) -> Walk<'_, impl FnMut(Started)> {
        self.walk_telling(|_| {})
    }

    /// The same; `tell` hears of every command that passes.
    pub fn walk_telling<T: FnMut(Started)>(&mut self, tell: T) -> Walk<'_, T> {
        let head = [0; HEADER_BYTES + 1];
        Walk { commands: self, tell, offset: 0, head, have: 0, peeked: Vec::new(), found: Found::Nothing }
    }

    /// True where a packet of one's own would come between two of the client's.
    pub fn is_between_packets(&self) -> bool {
        self.payload_left == 0 && self.last_length != CONTINUES
    }

    /// A command, as far as the number and what was before can tell.
    fn may_start_command(&self, sequence: u8) -> bool {
        sequence == 0 && self.last_length != CONTINUES
    }

    fn may_be_within_file(&self) -> bool {
        self.last_sequence == u8::MAX && self.last_length > 0
    }
}

/// A command that has begun, by its first byte; an empty one is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Its number.
    pub command: u8,
    /// Or a piece of a file: only the server knows whether it has asked for one.
    pub may_be_file: bool,
}

/// One walk. Give it the chunks in order until it returns false, then ask for the end.
#[derive(Debug)]
pub struct Walk<'a, T> {
    commands: &'a mut Commands,
    tell: T,
    offset: usize,
    head: [u8; HEADER_BYTES + 1],
    have: usize,
    /// What follows the command of what may be a KILL, for as long as it may.
    peeked: Vec<u8>,
    found: Found,
}

impl<T: FnMut(Started)> Walk<'_, T> {
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
            } else if self.peeked.is_empty() && self.peek(&[byte]) == Peeked::Other {
                // Nearly always the first byte tells that it is none, and nothing is kept.
                self.pass(HEADER_BYTES + 2);
                continue;
            } else {
                self.peeked.push(byte);
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
        let starts = self.commands.may_start_command(sequence);
        let command = length > 0 && starts;
        if command && self.have == HEADER_BYTES {
            return true;
        }
        let [.., first] = self.head;
        if command && first == COM_CHANGE_USER {
            self.found = match self.commands.may_be_within_file() {
                true => Found::Unclear,
                false => Found::ChangeUser { at: self.offset - self.have, bytes: HEADER_BYTES + length },
            };
            return false;
        }
        if command && kill::may_be(first, length) && !self.commands.may_be_within_file() {
            match self.peek(&self.peeked) {
                Peeked::More => return true,
                Peeked::Other => {}
                Peeked::Kill(kill) => {
                    let at = self.offset - self.have - self.peeked.len();
                    self.found = Found::Kill { at, bytes: HEADER_BYTES + length, kill };
                    return false;
                }
            }
        }
        self.pass(self.have + self.peeked.len());
        true
    }

    /// Is the command whose payload goes on with `text` a KILL?
    fn peek(&self, text: &[u8]) -> Peeked {
        let length = packet::header(&self.head).map_or(0, |(length, _)| length);
        let [.., command] = self.head;
        kill::peek(command, text, length - 1, self.commands.attributes)
    }

    /// Goes on behind the packet, `seen` bytes of which were looked at.
    fn pass(&mut self, seen: usize) {
        let Some((length, sequence)) = packet::header(&self.head) else { return };
        if self.commands.may_start_command(sequence) {
            let [.., first] = self.head;
            let may_be_file = self.commands.may_be_within_file();
            (self.tell)(Started { command: if length > 0 { first } else { 0 }, may_be_file });
        }
        self.commands.last_length = length as u32;
        self.commands.last_sequence = sequence;
        self.commands.payload_left = HEADER_BYTES + length - seen;
        self.have = 0;
        self.peeked.clear();
    }

    /// What was found in all chunks.
    pub fn end(self) -> Found {
        match self.found {
            Found::Nothing if self.have > 0 => Found::Undecided(self.offset - self.have - self.peeked.len()),
            found => found,
        }
    }
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
