//! KILL: a client stops another session, which it names by the id of the greeting that this one got. The front greets
//! before any server is known, so that id is the front's own and the server must be told another.
//! <https://dev.mysql.com/doc/refman/8.4/en/kill.html>, <https://mariadb.com/kb/en/kill/>
//!
//! Only what is certainly a KILL of one of the front's ids is found here. Whatever else a server would take for one (a
//! prepared statement, an expression, a stored procedure) reaches it as it is, and there no session has such an id.

use std::ops::RangeInclusive;

use super::packet;

const COM_QUERY: u8 = 0x03;
const COM_PROCESS_KILL: u8 = 0x0c;

/// The ids that the front hands out. Servers count up from 1 and start again where the number is full, so they come here
/// only after 3.7 thousand million connections without a restart.
pub const FRONT_IDS: RangeInclusive<u32> = 0xe000_0000..=0xffff_fffe;

/// The longest COM_QUERY that is looked into, comments included.
pub const MAX_STATEMENT_BYTES: usize = 512;

/// One of [`FRONT_IDS`], of `random` bytes.
pub fn front_id(random: [u8; 4]) -> u32 {
    (u32::from_le_bytes(random) | FRONT_IDS.start()).min(*FRONT_IDS.end())
}

/// A KILL of one of the front's ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    /// The front's id.
    pub id: u32,
    form: Form,
    /// The client's statements begin with their attributes.
    attributes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// COM_PROCESS_KILL.
    Process,
    /// A statement with these words.
    Statement { how: Option<&'static str>, what: Option<&'static str> },
}

impl Kill {
    /// The packet for the server, where the session's id is `server_id`.
    pub fn translated(&self, server_id: u32) -> Vec<u8> {
        match self.form {
            Form::Process => packet::framed(0, &[&[COM_PROCESS_KILL][..], &server_id.to_le_bytes()].concat()),
            Form::Statement { how, what } => {
                let words = [Some("KILL"), how, what].into_iter().flatten().collect::<Vec<_>>().join(" ");
                self.statement(&format!("{words} {server_id}"))
            }
        }
    }

    /// The packet that has the server itself say that there is no such session: its answer comes in its place among others.
    pub fn unknown(&self) -> Vec<u8> {
        self.statement(&format!(
            "SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = 'Unknown thread id: {}', MYSQL_ERRNO = 1094",
            self.id
        ))
    }

    /// The same, where nobody could be asked.
    pub fn unanswered(&self) -> Vec<u8> {
        self.statement(&format!(
            "SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = 'Nobody could say now which session has thread id {}; try again', \
             MYSQL_ERRNO = 1105",
            self.id
        ))
    }

    fn statement(&self, text: &str) -> Vec<u8> {
        let attributes: &[u8] = if self.attributes { &NO_ATTRIBUTES } else { b"" };
        packet::framed(0, &[&[COM_QUERY], attributes, text.as_bytes()].concat())
    }
}

/// No parameters, in one set.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query.html>
const NO_ATTRIBUTES: [u8; 2] = [0, 1];

/// What a payload is, as far as it is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peeked {
    /// More bytes are needed to tell.
    More,
    /// Nothing to look at.
    Other,
    /// A KILL of one of the front's ids.
    Kill(Kill),
}

/// Could a command of this length that begins with this byte be a KILL?
pub fn may_be(command: u8, payload_bytes: usize) -> bool {
    match command {
        COM_QUERY => payload_bytes <= 1 + MAX_STATEMENT_BYTES,
        COM_PROCESS_KILL => payload_bytes == 5,
        _ => false,
    }
}

/// Looks at what follows a `command` that [`may_be`] a KILL, of `whole_bytes` in the end.
pub fn peek(command: u8, text: &[u8], whole_bytes: usize, attributes: bool) -> Peeked {
    let is_whole = text.len() >= whole_bytes;
    match (command, text) {
        (COM_PROCESS_KILL, id) => match id.try_into() {
            Ok(id) => found(u32::from_le_bytes(id), Form::Process, attributes),
            Err(_) if is_whole => Peeked::Other,
            Err(_) => Peeked::More,
        },
        (COM_QUERY, [0, 1, text @ ..]) if attributes => statement(text, is_whole, attributes),
        (COM_QUERY, [] | [0]) if attributes && !is_whole => Peeked::More,
        (COM_QUERY, text) if !attributes => statement(text, is_whole, attributes),
        _ => Peeked::Other,
    }
}

fn found(id: u32, form: Form, attributes: bool) -> Peeked {
    if FRONT_IDS.contains(&id) { Peeked::Kill(Kill { id, form, attributes }) } else { Peeked::Other }
}

fn statement(text: &[u8], is_whole: bool, attributes: bool) -> Peeked {
    let mut words = Words(text);
    let mut next = || words.next(is_whole);
    let (mut how, mut what) = (None, None);
    match next() {
        Word::Name(name) if name.eq_ignore_ascii_case(b"kill") => {}
        Word::Unfinished(name) if is_beginning(name) => return Peeked::More,
        _ => return Peeked::Other,
    }
    let mut word = next();
    for (known, slot) in [(&["HARD", "SOFT"], &mut how), (&["CONNECTION", "QUERY"], &mut what)] {
        let Word::Name(name) = word else { continue };
        let Some(known) = known.iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes())) else { continue };
        *slot = Some(*known);
        word = next();
    }
    let Word::Number(id) = word else {
        return if let Word::Unfinished(_) = word { Peeked::More } else { Peeked::Other };
    };
    let mut end = next();
    if end == Word::Semicolon {
        end = next();
    }
    match end {
        Word::End => found(id, Form::Statement { how, what }, attributes),
        Word::Unfinished(_) => Peeked::More,
        _ => Peeked::Other,
    }
}

/// Could more bytes make it `kill`?
fn is_beginning(name: &[u8]) -> bool {
    b"kill".get(..name.len()).is_some_and(|beginning| name.eq_ignore_ascii_case(beginning))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'a> {
    Name(&'a [u8]),
    Number(u32),
    Semicolon,
    End,
    /// The bytes at hand end within this word, or within a comment.
    Unfinished(&'a [u8]),
    Other,
}

/// The words of a statement, without comments. A comment that a server may execute is a word of another kind.
/// <https://dev.mysql.com/doc/refman/8.4/en/comments.html>
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    fn next(&mut self, is_whole: bool) -> Word<'a> {
        loop {
            self.0 = self.0.trim_ascii_start();
            let unfinished = |rest| if is_whole { Word::Other } else { Word::Unfinished(rest) };
            let after = match self.0 {
                [] if is_whole => return Word::End,
                [] => return Word::Unfinished(b""),
                [b';', rest @ ..] => {
                    self.0 = rest;
                    return Word::Semicolon;
                }
                [b'/' | b'-'] | [b'/', b'*'] | [b'-', b'-'] => return unfinished(b""),
                // Executed, by MySQL or MariaDB.
                [b'/', b'*', b'!' | b'M', ..] => return Word::Other,
                [b'/', b'*', rest @ ..] => behind(rest, b"*/"),
                [b'-', b'-', b' ' | b'\t' | b'\n', ..] | [b'#', ..] => behind(self.0, b"\n"),
                [first, ..] if first.is_ascii_digit() => return self.number(is_whole),
                [first, ..] if is_of_name(first) => return self.name(is_whole),
                _ => return Word::Other,
            };
            let Some(rest) = after else { return unfinished(b"") };
            self.0 = rest;
        }
    }

    fn name(&mut self, is_whole: bool) -> Word<'a> {
        let end = self.0.iter().position(|byte| !is_of_name(byte));
        let (name, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        if end.is_some() || is_whole { Word::Name(name) } else { Word::Unfinished(name) }
    }

    fn number(&mut self, is_whole: bool) -> Word<'a> {
        match self.name(is_whole) {
            Word::Name(digits) => std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse().ok())
                .map_or(Word::Other, Word::Number),
            other => other,
        }
    }
}

fn is_of_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.') || !byte.is_ascii()
}

/// What follows the first `end` of `bytes`.
fn behind<'a>(bytes: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(end.len()).position(|window| window == end)?;
    bytes.get(at + end.len()..)
}

#[cfg(test)]
#[path = "kill_tests.rs"]
mod tests;
