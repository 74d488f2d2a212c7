//! Both directions of a session, from the StartupMessage on: what it is doing, and what it has done. Bodies are skipped by
//! their length; nothing is copied but headers.
//! <https://www.postgresql.org/docs/current/protocol-flow.html>
//!
//! Who is waiting for whom? The server answers each Query, FunctionCall and Sync by one ReadyForQuery, in their order, so
//! those that are outstanding are queued here. There are two exceptions. COPY from the client: the server drops each Sync that
//! it reads before the copy's end. An error in the extended protocol: it drops all that it reads before the next Sync
//! ([`super::unsynced`]). A copy is taken to fail for its data: where it fails before the server has read any, a Sync sent
//! ahead of the data is one, and its ReadyForQuery is one too many.
//!
//! Followed is what the wire shows: a multi-statement Query, a CALL that commits within, COMMIT AND CHAIN are each one
//! transaction here. A stream that lasts (COPY BOTH, replication) is one query that goes on.

use super::messages::{Message, Messages};
use super::outstanding::{Entry, Outstanding};
use super::unsynced::{TooMany, Unsynced};
use crate::tally::{State, Tally};

/// The body of a ReadyForQuery: its status.
const READY_BYTES: u32 = 1;
/// CopyData; and DataRow.
const CLIENT_BULK: [u8; 2] = [b'd', b'd'];
const SERVER_BULK: [u8; 2] = [b'D', b'd'];

/// Follows one session.
#[derive(Debug, Default, Clone)]
pub struct Follow {
    tally: Tally,
    client: Messages,
    server: Messages,
    outstanding: Outstanding,
    unsynced: Unsynced,
    startup: Startup,
    /// What the last ReadyForQuery said; 0 before the first.
    status: u8,
    /// What was dropped needed a transaction: the next Sync ends it.
    carried: bool,
    /// The server reads the client's copy data, and the end of it has not been sent yet.
    copying_in: bool,
    /// A Sync was sent meanwhile: none, unless the copy has failed before it.
    synced_copy: bool,
}

/// The first message has no type.
#[derive(Debug, Default, Clone, Copy)]
struct Startup {
    have: u8,
    length: u32,
}

impl Follow {
    /// What was followed so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// True where a message of one's own, to either side, would come between two others.
    pub fn is_between_messages(&self) -> bool {
        self.client.is_between() && self.server.is_between()
    }

    /// The server has said its first ReadyForQuery. Its bytes are followed from the end of that one's header on, the
    /// client's from its first.
    pub fn logged_in(&mut self, now_us: u64) {
        self.status = b'I';
        self.server.skip(READY_BYTES);
        self.tally.logged_in(now_us);
        if !self.is_answered() {
            self.tally.asked(now_us);
        }
    }

    /// Reads the next bytes from the client, its StartupMessage first. `clock` is read only when the state changes.
    pub fn client_sent(&mut self, mut bytes: &[u8], clock: impl Fn() -> u64) {
        bytes = self.startup.skip(bytes, &mut self.client);
        while self.tally.state() != State::Unfollowed {
            match self.client.next(&mut bytes, CLIENT_BULK) {
                Ok(Some(message)) => {
                    if self.client_message(message.kind, &clock).is_err() {
                        self.tally.unfollowed(clock());
                    }
                }
                Ok(None) => return,
                Err(_) => self.tally.unfollowed(clock()),
            }
        }
    }

    fn client_message(&mut self, kind: u8, clock: &impl Fn() -> u64) -> Result<(), TooMany> {
        if matches!(kind, b'Q' | b'F' | b'E') {
            self.tally.query();
        }
        if self.is_amid_copy(kind) {
            return Err(TooMany);
        }
        match kind {
            b'Q' | b'F' if self.unsynced.is_dropped() => {}
            b'Q' | b'F' => {
                let query = self.unsynced.query()?;
                self.push(query)?;
            }
            b'P' | b'B' | b'D' | b'E' | b'C' => self.unsynced.push(kind != b'C')?,
            b'S' if self.copying_in => {
                self.synced_copy = true;
                return Ok(());
            }
            b'S' => {
                let sync = self.unsynced.sync();
                self.push(sync)?;
            }
            b'c' | b'f' => {
                // Sent ahead, if it ends a copy at all: outside of one the server drops it.
                if !std::mem::take(&mut self.copying_in) {
                    if self.unsynced.has_unanswered() {
                        return Err(TooMany);
                    }
                    if !self.outstanding.is_empty() {
                        self.push(Entry::CopyEnd)?;
                    }
                }
                return Ok(());
            }
            // Flush, Terminate, CopyData, passwords, what is not known: nothing that is answered by ReadyForQuery.
            _ => return Ok(()),
        }
        if self.tally.is_news_that_asked() {
            self.tally.asked(clock());
        }
        Ok(())
    }

    /// True for a message that a server takes for the end of the connection where it reads it within a copy, and else for
    /// what it is: behind data that was sent ahead of its copy, or while one goes on. Whether that fails before can't be seen.
    fn is_amid_copy(&mut self, kind: u8) -> bool {
        let asks = matches!(kind, b'Q' | b'F' | b'P' | b'B' | b'D' | b'E' | b'C');
        // Flush may stand between data and what ends the copy.
        let is_ahead = kind != b'H' && self.client.has_passed_over() && !self.copying_in && !self.is_answered();
        asks && self.copying_in || (asks || kind == b'S') && is_ahead && !self.unsynced.is_dropped()
    }

    fn push(&mut self, entry: Entry) -> Result<(), TooMany> {
        if self.outstanding.push(entry) { Ok(()) } else { Err(TooMany) }
    }

    /// Reads the next bytes from the server, behind its first ReadyForQuery. `transaction` gets the microseconds of each
    /// transaction that ends.
    pub fn server_sent(&mut self, mut bytes: &[u8], clock: impl Fn() -> u64, mut transaction: impl FnMut(u64)) {
        while self.tally.state() != State::Unfollowed {
            let followed = match self.server.next(&mut bytes, SERVER_BULK) {
                Ok(Some(message)) => self.server_message(message, &clock, &mut transaction),
                Ok(None) => return,
                Err(lie) => Err(lie),
            };
            if followed.is_err() {
                self.tally.unfollowed(clock());
            }
        }
    }

    fn server_message(
        &mut self,
        Message { kind, first }: Message,
        clock: &impl Fn() -> u64,
        transaction: &mut impl FnMut(u64),
    ) -> Result<(), Unexplained> {
        match kind {
            b'Z' => self.ready(first, clock, transaction),
            b'G' => self.copy_begins(),
            b'E' => self.failed(),
            // Each ends the answer to one message of the extended protocol, or is part of that to a Query.
            b'1' | b'2' | b'3' | b'n' | b'T' | b'C' | b'I' | b's' => {
                self.synced_copy &= kind != b'C';
                self.answered_one();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn answered_one(&mut self) {
        match self.outstanding.first() {
            None => self.unsynced.answered(),
            Some(Entry::Mixed) if self.unsynced.answered_ahead() => self.outstanding.replace_first(Entry::Query),
            Some(_) => {}
        }
    }

    fn failed(&mut self) -> Result<(), Unexplained> {
        self.tally.error();
        // What is left of the copy is dropped, up to a Sync where it was begun by Execute.
        self.copying_in = false;
        if self.synced_copy {
            return Err(Unexplained);
        }
        match self.outstanding.first() {
            None if self.unsynced.is_empty() => {}
            None => self.unsynced.drop_to_come(),
            Some(Entry::Mixed) => {
                self.carried = true;
                match self.outstanding.drop_to_sync().ok_or(Unexplained)? {
                    true => self.unsynced.drop_ahead(),
                    false => self.unsynced.drop_to_come(),
                }
            }
            // Its own: ReadyForQuery follows.
            Some(_) => {}
        }
        Ok(())
    }

    fn ready(
        &mut self,
        status: u8,
        clock: &impl Fn() -> u64,
        transaction: &mut impl FnMut(u64),
    ) -> Result<(), Unexplained> {
        let answered = self.outstanding.pop().ok_or(Unexplained)?;
        let state = match status {
            b'I' => State::Idle,
            b'T' => State::Transaction,
            b'E' => State::FailedTransaction,
            _ => return Err(Unexplained),
        };
        let now_us = clock();
        let carried = std::mem::take(&mut self.carried);
        let worked = answered != Entry::Sync || carried || self.status != b'I';
        if status == b'I' && worked {
            transaction(self.tally.transaction_over(now_us));
        }
        self.status = status;
        // A copy ends before the statement that it is part of.
        self.copying_in = false;
        self.synced_copy = false;
        if self.is_answered() {
            self.client.has_passed_over();
            self.tally.answered(state, now_us);
        }
        Ok(())
    }

    /// The server has begun to read copy data. Each Sync between the statement and the copy's end is none.
    fn copy_begins(&mut self) -> Result<(), Unexplained> {
        let asked = self.outstanding.first();
        if asked.is_none() && (self.unsynced.is_empty() || self.unsynced.is_dropped()) {
            return Err(Unexplained);
        }
        self.synced_copy = false;
        let dropped = self.outstanding.drop_syncs().ok_or(Unexplained)?;
        self.copying_in = !dropped.found_end;
        if dropped.any {
            self.carried = true;
            match self.outstanding.first() {
                None => self.unsynced.reopen()?,
                Some(first) => {
                    let first = self.unsynced.reopen_ahead(first)?;
                    self.outstanding.replace_first(first);
                }
            }
        }
        Ok(())
    }

    fn is_answered(&self) -> bool {
        self.outstanding.is_empty() && self.unsynced.is_empty() && !self.copying_in
    }
}

/// What no server would say to what was seen.
#[derive(Debug)]
pub(super) struct Unexplained;

impl From<TooMany> for Unexplained {
    fn from(_: TooMany) -> Self {
        Self
    }
}

impl Startup {
    const LENGTH_BYTES: u8 = 4;

    fn skip<'a>(&mut self, mut bytes: &'a [u8], client: &mut Messages) -> &'a [u8] {
        while self.have < Self::LENGTH_BYTES {
            let Some((&byte, rest)) = bytes.split_first() else { return bytes };
            bytes = rest;
            self.length = self.length << 8 | u32::from(byte);
            self.have += 1;
            if self.have == Self::LENGTH_BYTES {
                client.skip(self.length.saturating_sub(u32::from(Self::LENGTH_BYTES)));
            }
        }
        bytes
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
