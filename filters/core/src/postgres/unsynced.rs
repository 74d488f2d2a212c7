//! Messages of the extended protocol that no Sync follows yet, and what becomes of them: when the server meets an error in
//! one it drops all that it reads up to the next Sync, a Query and the end of a copy too.
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY>, `ignore_till_sync` in
//! <https://github.com/postgres/postgres/blob/REL_18_0/src/backend/tcop/postgres.c>
//!
//! ```text
//!  P B E ─────── S    an error in P, B or E is answered by the ReadyForQuery of S
//!  P B E ─── Q ─ S    the same, and Q is dropped; without an error Q ends the transaction and has a ReadyForQuery of its own
//! ```
//! Whose error is it, that of Q or that of one before it? Each of these messages is answered by exactly one other, so those
//! that have no answer yet are counted: ahead of one Query in the queue, and behind all that is queued.

use super::outstanding::Entry;

/// What is known of them.
#[derive(Debug, Default, Clone)]
pub struct Unsynced {
    /// Without an answer, behind the last Query or Sync.
    last: u32,
    /// Without an answer, ahead of the Query in the queue that is [`Entry::Mixed`].
    ahead: u32,
    /// There are messages that only a Sync or a Query ends, answered or not.
    open: bool,
    /// One of them needs a transaction.
    work: bool,
    /// The server waits for a Sync, and drops what is not one.
    dropping: bool,
}

/// More than can be told apart.
#[derive(Debug)]
pub struct TooMany;

impl Unsynced {
    /// True where nothing waits for a Sync.
    pub fn is_empty(&self) -> bool {
        !self.open
    }

    /// True where one behind all that is queued has no answer yet.
    pub fn has_unanswered(&self) -> bool {
        self.last > 0
    }

    /// The server drops what the client sends, unless it is a Sync.
    pub fn is_dropped(&self) -> bool {
        self.dropping
    }

    /// The client has sent one that is answered by itself; `works` where it needs a transaction.
    pub fn push(&mut self, works: bool) -> Result<(), TooMany> {
        self.open = true;
        self.work |= works;
        if !self.dropping {
            self.last = self.last.checked_add(1).ok_or(TooMany)?;
        }
        Ok(())
    }

    /// The client has sent Query or FunctionCall, which ends them too.
    pub fn query(&mut self) -> Result<Entry, TooMany> {
        (self.open, self.work) = (false, false);
        match std::mem::take(&mut self.last) {
            0 => Ok(Entry::Query),
            _ if self.ahead > 0 => Err(TooMany),
            last => {
                self.ahead = last;
                Ok(Entry::Mixed)
            }
        }
    }

    /// The client has sent Sync.
    pub fn sync(&mut self) -> Entry {
        let works = self.work;
        (self.last, self.open, self.work, self.dropping) = (0, false, false, false);
        if works { Entry::Work } else { Entry::Sync }
    }

    /// The server has answered one of those behind all that is queued.
    pub fn answered(&mut self) {
        self.last = self.last.saturating_sub(1);
    }

    /// The server has answered one of those ahead of the Query; true when that was the last, and the Query is one as any other.
    pub fn answered_ahead(&mut self) -> bool {
        self.ahead = self.ahead.saturating_sub(1);
        self.ahead == 0
    }

    /// One of those ahead of the Query has failed, and the queue has a Sync.
    pub fn drop_ahead(&mut self) {
        self.ahead = 0;
    }

    /// One has failed, and the Sync has yet to come.
    pub fn drop_to_come(&mut self) {
        *self = Self { open: true, work: true, dropping: true, ..Self::default() };
    }

    /// An Execute whose Sync was none, as the server took it for a part of the copy, is behind all that is queued.
    pub fn reopen(&mut self) -> Result<(), TooMany> {
        self.open = true;
        self.last = self.last.checked_add(1).ok_or(TooMany)?;
        Ok(())
    }

    /// The same ahead of the `first` in the queue; returns what that is now.
    pub fn reopen_ahead(&mut self, first: Entry) -> Result<Entry, TooMany> {
        match first {
            Entry::Mixed => self.ahead = self.ahead.checked_add(1).ok_or(TooMany)?,
            Entry::Query if self.ahead > 0 => return Err(TooMany),
            Entry::Query => self.ahead = 1,
            other => return Ok(other),
        }
        Ok(Entry::Mixed)
    }
}
