//! Both directions of a session, from the StartupMessage on: what it is doing, and what it has done. Bodies are skipped by
//! their length; nothing is copied but headers.
//! <https://www.postgresql.org/docs/current/protocol-flow.html>
//!
//! Who is waiting for whom? The server answers each Query, FunctionCall and Sync by one ReadyForQuery, in their order, so
//! those that are outstanding are queued here. The exception is COPY from the client: the server drops each Sync that
//! it reads before the copy's end.
//!
//! Followed is what the wire shows: a multi-statement Query, a CALL that commits within, COMMIT AND CHAIN are each one
//! transaction here. A stream that lasts (COPY BOTH, replication) is one query that goes on.

use super::messages::{Message, Messages};
use super::outstanding::{Entry, Outstanding};
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
    startup: Startup,
    /// What the last ReadyForQuery said; 0 before the first.
    status: u8,
    /// The client has sent what only a Sync ends.
    open: bool,
    /// Of that, something that needs a transaction.
    work: bool,
    /// The same of a Sync that was dropped: the next one ends it.
    carried: bool,
    /// The server reads the client's copy data, and the end of it has not been sent yet.
    copying_in: bool,
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
                Ok(Some(message)) => self.client_message(message.kind, &clock),
                Ok(None) => return,
                Err(_) => self.tally.unfollowed(clock()),
            }
        }
    }

    fn client_message(&mut self, kind: u8, clock: &impl Fn() -> u64) {
        match kind {
            b'Q' | b'F' => {
                self.tally.query();
                self.open = false;
                self.work = false;
                self.outstanding.push(Entry::Query);
            }
            b'P' | b'B' | b'D' | b'E' => {
                if kind == b'E' {
                    self.tally.query();
                }
                self.open = true;
                self.work = true;
            }
            b'C' => self.open = true,
            b'S' if self.copying_in => return,
            b'S' => {
                self.outstanding.push(if self.work { Entry::Work } else { Entry::Sync });
                self.open = false;
                self.work = false;
            }
            b'c' | b'f' => {
                // Sent ahead, if it ends a copy at all: outside of one the server drops it.
                if !std::mem::take(&mut self.copying_in) && !self.outstanding.is_empty() {
                    self.outstanding.push(Entry::CopyEnd);
                }
                return;
            }
            // Flush, Terminate, CopyData, passwords, what is not known: nothing that is answered by ReadyForQuery.
            _ => return,
        }
        if self.tally.is_news_that_asked() {
            self.tally.asked(clock());
        }
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
            b'E' => {
                self.tally.error();
                // What is left of the copy is dropped, up to a Sync where it was begun by Execute.
                self.copying_in = false;
                Ok(())
            }
            _ => Ok(()),
        }
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
        if self.is_answered() {
            self.tally.answered(state, now_us);
        }
        Ok(())
    }

    /// The server has begun to read copy data. Each Sync between the statement and the copy's end is none.
    fn copy_begins(&mut self) -> Result<(), Unexplained> {
        if self.outstanding.is_empty() && !self.open {
            return Err(Unexplained);
        }
        let dropped = self.outstanding.drop_syncs().ok_or(Unexplained)?;
        self.copying_in = !dropped.found_end;
        if dropped.any {
            self.carried = true;
            if self.outstanding.is_empty() {
                self.open = true;
            }
        }
        Ok(())
    }

    fn is_answered(&self) -> bool {
        self.outstanding.is_empty() && !self.open && !self.copying_in
    }
}

/// What no server would say to what was seen.
#[derive(Debug)]
pub(super) struct Unexplained;

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
