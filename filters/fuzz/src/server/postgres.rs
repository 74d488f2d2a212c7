//! `PostgresMain` of Postgres, by the kinds of messages alone.
//! <https://github.com/postgres/postgres/blob/REL_18_0/src/backend/tcop/postgres.c>

use std::collections::VecDeque;

/// One backend.
#[derive(Default)]
pub struct Backend {
    /// Sent to it, and not read yet.
    unread: VecDeque<u8>,
    /// `ignore_till_sync`
    ignores: bool,
    /// What was read since the last ReadyForQuery needs a Sync.
    wants_sync: bool,
    copying: Option<Copying>,
    /// It has ended the connection.
    pub is_gone: bool,
    /// It has read copy data, ever: whoever follows may give up on that.
    pub has_copied: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Copying {
    ByQuery,
    ByExecute,
}

/// What becomes of a message that can fare in several ways.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Error,
    /// COPY from the client, or another answer than usual.
    Other,
}

impl Backend {
    pub fn is_sent(&mut self, kind: u8) {
        self.unread.push_back(kind);
    }

    /// It has answered everything, and waits for whatever the client likes.
    pub fn rests(&self) -> bool {
        let is_dropped = |kind: &u8| b"Hdcf".contains(kind);
        self.unread.iter().all(is_dropped) && !self.ignores && !self.wants_sync && self.copying.is_none()
    }

    /// Everything is read.
    pub fn has_read_all(&self) -> bool {
        self.unread.is_empty()
    }

    /// It reads its next message; returns the kinds of what it says, `Z` for ReadyForQuery.
    pub fn reads(&mut self, outcome: Outcome) -> &'static [u8] {
        let Some(kind) = self.unread.pop_front() else { return b"" };
        if let Some(copying) = self.copying {
            return self.copies(copying, kind, outcome);
        }
        match kind {
            b'S' => {
                self.ignores = false;
                self.wants_sync = false;
                // A deferred constraint.
                if outcome == Outcome::Error { b"EZ" } else { b"Z" }
            }
            _ if self.ignores => b"",
            b'Q' | b'F' => {
                self.wants_sync = false;
                match outcome {
                    Outcome::Done if kind == b'Q' => b"TDDCCZ",
                    Outcome::Done => b"VZ",
                    Outcome::Error => b"TDEZ",
                    Outcome::Other if kind == b'F' => b"NVZ",
                    Outcome::Other => self.begins_copy(Copying::ByQuery),
                }
            }
            b'P' | b'B' | b'D' | b'E' | b'C' => {
                self.wants_sync = true;
                if outcome == Outcome::Error {
                    self.ignores = true;
                    return if kind == b'E' { b"DE" } else { b"E" };
                }
                match (kind, outcome) {
                    (b'P', _) => b"1",
                    (b'B', _) => b"2",
                    (b'C', _) => b"3",
                    (b'D', Outcome::Done) => b"tT",
                    (b'D', _) => b"n",
                    (_, Outcome::Done) => b"DNDC",
                    _ => self.begins_copy(Copying::ByExecute),
                }
            }
            // Flush, and what a copy that has failed has left.
            _ => b"",
        }
    }

    fn begins_copy(&mut self, by: Copying) -> &'static [u8] {
        self.copying = Some(by);
        self.has_copied = true;
        b"G"
    }

    /// `CopyGetData`: it fails for data, not before any was read.
    fn copies(&mut self, by: Copying, kind: u8, outcome: Outcome) -> &'static [u8] {
        match kind {
            b'H' | b'S' => b"",
            b'd' if outcome != Outcome::Error => b"",
            b'd' | b'f' => self.ends_copy(by, b"EZ", b"E"),
            b'c' if outcome == Outcome::Error => self.ends_copy(by, b"EZ", b"E"),
            b'c' => self.ends_copy(by, b"CZ", b"C"),
            _ => {
                self.is_gone = true;
                b"E"
            }
        }
    }

    fn ends_copy(&mut self, by: Copying, query: &'static [u8], execute: &'static [u8]) -> &'static [u8] {
        self.copying = None;
        if by == Copying::ByQuery {
            return query;
        }
        self.ignores = execute == b"E";
        execute
    }
}
