//! A session that was let in for KILL alone, since there is no room for it: which commands of its client pass to the server.
//!
//! ```text
//!  packet ── KILL, SET, SELECT @@…, SHOW PROCESSLIST, and what drivers say beside them ──▶ passes
//!    └────── anything else ──▶ Refused, for good: nothing passes any more
//! ```
//! A command passes whole or not at all, so whoever is behind this sees whole packets. No sql_mode and no character set can
//! make more of a statement than is seen here: it is one without `;`, executable comments, subqueries and calls of functions
//! wherever they stand, in texts too. A call could go on at the server when its client is long gone, and with it the connection
//! that is kept for KILL; drivers put lists of words together, no more.

use super::packet::{self, HEADER_BYTES};

const COM_QUIT: u8 = 0x01;
const COM_INIT_DB: u8 = 0x02;
const COM_QUERY: u8 = 0x03;
const COM_STATISTICS: u8 = 0x09;
const COM_PROCESS_KILL: u8 = 0x0c;
const COM_PING: u8 = 0x0e;

/// The longest command that passes. Drivers set a dozen variables in one statement.
pub const MAX_COMMAND_BYTES: usize = 1 + 4_096;

/// How a query begins that can stand where a value can.
const QUERIES: [&str; 3] = ["SELECT", "TABLE", "VALUES"];
/// What drivers call when they put a variable's new value together.
const CALLED: [&str; 4] = ["CONCAT", "IF", "IFNULL", "REPLACE"];

/// The commands of one client.
#[derive(Debug)]
pub struct OnlyKill {
    /// Statements begin with their attributes.
    attributes: bool,
    /// The beginning of a command that is not whole yet.
    held: Vec<u8>,
    refused: bool,
}

impl OnlyKill {
    /// Those of a client whose statements begin with `attributes`, or do not.
    pub fn new(attributes: bool) -> Self {
        Self { attributes, held: Vec::new(), refused: false }
    }

    /// Takes the client's next bytes and returns what passes of all that it has sent and has not passed.
    pub fn client_sent(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.refused {
            return Vec::new();
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut passed = 0;
        while let Some(rest) = all.get(passed..)
            && let Some((length, sequence)) = packet::header(rest)
        {
            self.refused = sequence != 0 || length > MAX_COMMAND_BYTES;
            let Some(command) = rest.get(HEADER_BYTES..HEADER_BYTES + length).filter(|_| !self.refused) else { break };
            self.refused = !passes(command, self.attributes);
            if self.refused {
                break;
            }
            passed += HEADER_BYTES + length;
        }
        if !self.refused {
            self.held = all.get(passed..).unwrap_or_default().to_vec();
        }
        all.truncate(passed);
        all
    }

    /// The client has asked for something else.
    pub fn is_refused(&self) -> bool {
        self.refused
    }
}

/// Whether a whole command passes.
pub fn passes(command: &[u8], attributes: bool) -> bool {
    match command {
        [COM_QUIT | COM_STATISTICS | COM_PROCESS_KILL | COM_PING | COM_INIT_DB, ..] => true,
        // No attributes, in one set: see kill.rs.
        [COM_QUERY, 0, 1, text @ ..] if attributes => statement_passes(text),
        [COM_QUERY, text @ ..] if !attributes => statement_passes(text),
        _ => false,
    }
}

fn statement_passes(text: &[u8]) -> bool {
    let Ok(text) = Text::read(text) else { return false };
    let mut words = text.words();
    let Some(Word::Name(first)) = words.next() else { return false };
    let is = |word: Option<Word<'_>>, name: &str| matches!(word, Some(Word::Name(found)) if same(found, name));
    if same(first, "KILL") {
        return !text.0.contains(&b'(');
    }
    if same(first, "SET") {
        // MariaDB's SET STATEMENT … FOR is whatever follows it.
        return !is(words.next(), "STATEMENT") && !text.has_query() && !text.calls();
    }
    if same(first, "SHOW") {
        let next = words.next();
        let next = if is(next, "FULL") { words.next() } else { next };
        return is(next, "PROCESSLIST") && words.next().is_none();
    }
    same(first, "SELECT") && variables(&mut words)
}

/// `@@name [[AS] alias] {, @@name …} [LIMIT number]`
fn variables<'a>(words: &mut impl Iterator<Item = Word<'a>>) -> bool {
    loop {
        let [Some(Word::System), Some(Word::Name(_))] = [words.next(), words.next()] else { return false };
        let mut next = words.next();
        if let Some(Word::Name(name)) = next
            && !same(name, "LIMIT")
        {
            if same(name, "AS") && !matches!(words.next(), Some(Word::Name(_))) {
                return false;
            }
            next = words.next();
        }
        match next {
            None => return true,
            Some(Word::Sign(b',')) => {}
            Some(Word::Name(name)) if same(name, "LIMIT") => {
                return matches!(words.next(), Some(Word::Name(digits)) if digits.iter().all(u8::is_ascii_digit))
                    && words.next().is_none();
            }
            Some(_) => return false,
        }
    }
}

fn same(name: &[u8], word: &str) -> bool {
    name.eq_ignore_ascii_case(word.as_bytes())
}

/// A statement without the comments around it and the semicolon at its end.
struct Text<'a>(&'a [u8]);

/// More than one statement, or what a server may read otherwise.
struct Unclear;

impl<'a> Text<'a> {
    fn read(text: &'a [u8]) -> Result<Self, Unclear> {
        let mut text = text;
        loop {
            text = text.trim_ascii_start();
            text = match text {
                [b'/', b'*', b'!' | b'M', ..] => return Err(Unclear),
                [b'/', b'*', rest @ ..] => behind(rest, b"*/").ok_or(Unclear)?,
                [b'-', b'-', b' ' | b'\t' | b'\n', rest @ ..] | [b'#', rest @ ..] => {
                    behind(rest, b"\n").ok_or(Unclear)?
                }
                _ => break,
            };
        }
        text = text.trim_ascii_end();
        text = text.strip_suffix(b";").unwrap_or(text);
        let is_plain = |byte: &u8| *byte >= b' ' || byte.is_ascii_whitespace();
        let has = |pair: &[u8]| text.windows(pair.len()).any(|at| at == pair);
        // A comment within may be one that is executed, or hide a word from this view.
        let clear =
            text.iter().all(is_plain) && !text.contains(&b';') && !text.contains(&b'#') && !has(b"/*") && !has(b"--");
        if clear { Ok(Self(text)) } else { Err(Unclear) }
    }

    fn words(&self) -> impl Iterator<Item = Word<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            rest = rest.trim_ascii_start();
            if let Some(after) = rest.strip_prefix(b"@@") {
                rest = after;
                return Some(Word::System);
            }
            let end = rest.iter().position(|byte| !is_of_name(*byte)).unwrap_or(rest.len());
            let (word, after) = match end {
                0 => rest.split_first().map(|(sign, after)| (Word::Sign(*sign), after))?,
                end => rest.split_at_checked(end).map(|(name, after)| (Word::Name(name), after))?,
            };
            rest = after;
            Some(word)
        })
    }

    /// True where a query may begin; WITH has one of these within. What is no ASCII may be a space to the server.
    fn has_query(&self) -> bool {
        let is_apart = |byte: &u8| !is_of_name(*byte) || !byte.is_ascii() || *byte == b'.';
        self.0.split(is_apart).any(|name| QUERIES.iter().any(|query| same(name, query)))
    }

    /// True where more than [`CALLED`] may be called. A quoted name is none that is known.
    fn calls(&self) -> bool {
        let begins = |word| matches!(word, Some(Word::Sign(b'=' | b',' | b'(' | b'+' | b'-')));
        let (mut last_but_one, mut last) = (None, None);
        self.words().any(|word| {
            // What stands before it is its own name: no `database.` is in front of that.
            let is_known = |name| CALLED.iter().any(|called| same(name, called)) && begins(last_but_one);
            let may_open = begins(last) || matches!(last, Some(Word::Name(name)) if is_known(name));
            (last_but_one, last) = (last, Some(word));
            word == Word::Sign(b'(') && !may_open
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'a> {
    /// A name, a number, a keyword; with the points in it.
    Name(&'a [u8]),
    Sign(u8),
    /// `@@`
    System,
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.') || !byte.is_ascii()
}

/// What follows the first `end` of `bytes`.
fn behind<'a>(bytes: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(end.len()).position(|window| window == end)?;
    bytes.get(at + end.len()..)
}

#[cfg(test)]
#[path = "only_kill_tests.rs"]
mod tests;
