//! The command phase of a session: what it is doing, and what it has done. Which packet of the client is a command is found
//! in [`super::commands`]; here the server's answers are walked, by their headers.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html>,
//! <https://mariadb.com/kb/en/result-set-packets/>
//!
//! ```text
//!  command ──▶ Answer ── OK, ERR, text ───────────────────────────────────────▶ answered
//!                │ ├── wish for a file ──▶ Answer                                  ▲
//!                │ └── prepared ──▶ Definitions ─ of its columns ▶ Definitions ────┤
//!                └── number of columns ──▶ Definitions ──▶ Rows ── end, or ERR ────┘
//!                       ▲                                   │
//!                       └────────── more results ───────────┘
//! ```
//!
//! The state of a transaction is what the last status flags said. An ERR has none, and may have ended a transaction or (in
//! a procedure) left one open: until the next answer it is not certain.

use super::answers::{
    EOF, ERR, FILE, OK, OK_BYTES, Prepared, Unexplained, definitions_of_result, is_end, status, status_of_end,
    status_of_eof, status_of_ok,
};
use super::commands::Started;
use super::outstanding::{Kind, Outstanding};
use super::packets::{Packet, Packets};
use super::wire::Wire;
use crate::tally::{State, Tally};

const COM_QUERY: u8 = 0x03;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_STMT_BULK_EXECUTE: u8 = 0xfa;

/// Where in an answer the next packet of the server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Step {
    #[default]
    Answer,
    Definitions {
        left: u16,
        then: Then,
    },
    /// The EOF behind them.
    DefinitionsEnd(Then),
    Rows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Rows,
    Columns(u16),
    Answered,
}

/// Follows one session.
#[derive(Debug, Clone)]
pub struct Follow {
    tally: Tally,
    wire: Wire,
    outstanding: Outstanding,
    step: Step,
    packets: Packets,
    /// The server has asked for a file and not said what became of it.
    sends_file: bool,
    in_transaction: bool,
    certain: bool,
    /// The rows are what a procedure gives back, so a result follows: MySQL does not say so at their end.
    gives_back: bool,
}

type Followed = Result<(), Unexplained>;

impl Follow {
    /// A session whose login has begun.
    pub fn new(wire: Option<Wire>) -> Self {
        let mut tally = Tally::default();
        if wire.is_none() {
            tally.unfollowed(0);
        }
        Self {
            tally,
            wire: wire.unwrap_or_default(),
            outstanding: Outstanding::default(),
            step: Step::Answer,
            packets: Packets::default(),
            sends_file: false,
            in_transaction: false,
            certain: true,
            gives_back: false,
        }
    }

    /// What was followed so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// True where a packet of one's own to the client would come between two of the server's.
    pub fn is_between_packets(&self) -> bool {
        self.packets.is_between()
    }

    /// False when an error has left open whether there is a transaction.
    pub fn is_certain(&self) -> bool {
        self.certain
    }

    /// The login is over, the first or one behind COM_CHANGE_USER: nothing of an earlier one is left.
    pub fn logged_in(&mut self, now_us: u64, mut transaction: impl FnMut(u64)) {
        if self.tally.state() == State::Unfollowed {
            return;
        }
        if self.in_transaction {
            transaction(self.tally.transaction_over(now_us));
        }
        self.outstanding = Outstanding::default();
        self.step = Step::Answer;
        self.sends_file = false;
        self.gives_back = false;
        self.in_transaction = false;
        self.certain = true;
        match self.tally.state() {
            State::Login => self.tally.logged_in(now_us),
            _ => self.tally.answered(State::Idle, now_us),
        }
    }

    /// The client has sent COM_CHANGE_USER. Behind a command that is not answered yet nobody can tell whose the next answer is.
    pub fn changes_user(&mut self, now_us: u64) {
        if self.outstanding.first().is_some() {
            self.tally.unfollowed(now_us);
        } else {
            self.tally.asked(now_us);
        }
    }

    /// The server has refused a change of user. Where it keeps the connection, the session is its old user's, and at rest: a
    /// server rolls back before it asks who is there.
    pub fn change_failed(&mut self, now_us: u64, transaction: impl FnMut(u64)) {
        if self.tally.state() != State::Unfollowed {
            self.tally.error();
            self.logged_in(now_us, transaction);
        }
    }

    /// The client has begun a command. `clock` is read only when the state changes.
    pub fn client_sent(&mut self, Started { command, may_be_file }: Started, clock: impl Fn() -> u64) {
        if self.tally.state() == State::Unfollowed {
            return;
        }
        if may_be_file && self.sends_file {
            return;
        }
        let kind = match Kind::of(command) {
            Ok(Some(kind)) => kind,
            Ok(None) => return,
            Err(_) => return self.tally.unfollowed(clock()),
        };
        if matches!(command, COM_QUERY | COM_STMT_EXECUTE | COM_STMT_BULK_EXECUTE) {
            self.tally.query();
        }
        if self.outstanding.first().is_none() {
            self.begin(kind);
        }
        if !self.outstanding.push(kind) {
            self.tally.unfollowed(clock());
        } else if self.tally.is_news_that_asked() {
            self.tally.asked(clock());
        }
    }

    fn begin(&mut self, kind: Kind) {
        self.step = if kind == Kind::Rows { Step::Rows } else { Step::Answer };
    }

    /// Reads the next bytes from the server, behind its login. `transaction` gets the microseconds of each transaction that
    /// ends.
    pub fn server_sent(&mut self, mut bytes: &[u8], clock: impl Fn() -> u64, mut transaction: impl FnMut(u64)) {
        while self.tally.state() != State::Unfollowed {
            if self.step == Step::Rows {
                self.packets.pass_over_rows(&mut bytes);
            }
            let Some(packet) = self.packets.next(&mut bytes) else { return };
            if self.server_packet(packet, &clock, &mut transaction).is_err() {
                self.tally.unfollowed(clock());
            }
        }
    }

    fn server_packet(
        &mut self,
        packet: Packet,
        clock: &impl Fn() -> u64,
        transaction: &mut impl FnMut(u64),
    ) -> Followed {
        let (length, payload) = (packet.length, packet.beginning());
        let first = *payload.first().ok_or(Unexplained)?;
        let Some(kind) = self.outstanding.first() else {
            // The last words to a client that has rested too long, since MySQL 8.0.24, or before a shutdown.
            if first != ERR {
                return Err(Unexplained);
            }
            self.tally.error();
            return Ok(());
        };
        self.sends_file = false;
        if kind == Kind::Text {
            return self.answered(None, clock, transaction);
        }
        if first == ERR {
            // MariaDB's progress report is an ERR of a number that no error has.
            if payload.get(1..3) == Some(&[0xff, 0xff]) {
                return Ok(());
            }
            self.tally.error();
            if kind == Kind::Results || kind == Kind::Rows {
                self.certain = false;
            }
            return self.answered(None, clock, transaction);
        }
        match (self.step, kind) {
            (Step::Answer, Kind::Results) if first == FILE => {
                self.sends_file = true;
                Ok(())
            }
            (Step::Answer, Kind::Results) if first == OK && (length >= OK_BYTES || !self.wire.optional_metadata) => {
                let status = status_of_ok(payload)?;
                self.answered(Some(status), clock, transaction)
            }
            (Step::Answer, Kind::Results) => self.columns(payload),
            (Step::Answer, Kind::Prepared) => {
                if self.prepared(payload)? {
                    return self.answered(None, clock, transaction);
                }
                Ok(())
            }
            (Step::Answer, Kind::One) if first == OK => {
                let status = status_of_ok(payload)?;
                self.answered(Some(status), clock, transaction)
            }
            (Step::Answer, Kind::Fields) if first != EOF => Ok(()),
            (Step::Answer, _) | (Step::Rows, _) if is_end(self.wire, first, length) => {
                let status = status_of_end(self.wire, payload)?;
                self.answered(Some(status), clock, transaction)
            }
            (Step::Rows, _) => Ok(()),
            (Step::Definitions { left, then }, _) => {
                if self.define(left - 1, then) {
                    return self.answered(None, clock, transaction);
                }
                Ok(())
            }
            (Step::DefinitionsEnd(then), _) if is_end(self.wire, first, length) => {
                let status = status_of_eof(payload)?;
                let has_cursor = then == Then::Rows && status & status::CURSOR_EXISTS != 0;
                self.gives_back = then == Then::Rows && status & status::OUT_PARAMETERS != 0;
                if has_cursor {
                    return self.answered(Some(status), clock, transaction);
                }
                if self.go_on(then) {
                    return self.answered(None, clock, transaction);
                }
                Ok(())
            }
            _ => Err(Unexplained),
        }
    }

    fn columns(&mut self, payload: &[u8]) -> Followed {
        let definitions = definitions_of_result(self.wire, payload)?;
        self.define(definitions, Then::Rows);
        Ok(())
    }

    /// True when nothing follows.
    fn prepared(&mut self, payload: &[u8]) -> Result<bool, Unexplained> {
        let Prepared { parameters, columns } = Prepared::read(self.wire, payload)?;
        Ok(if parameters > 0 {
            self.define(parameters, Then::Columns(columns))
        } else {
            self.go_on(Then::Columns(columns))
        })
    }

    /// `left` definitions are still to come; true when nothing follows at all.
    fn define(&mut self, left: u16, then: Then) -> bool {
        if left > 0 {
            self.step = Step::Definitions { left, then };
        } else if self.wire.deprecate_eof {
            return self.go_on(then);
        } else {
            self.step = Step::DefinitionsEnd(then);
        }
        false
    }

    /// Behind definitions; true when nothing follows.
    fn go_on(&mut self, then: Then) -> bool {
        match then {
            Then::Rows => self.step = Step::Rows,
            Then::Columns(columns) if columns > 0 => {
                self.step = Step::Definitions { left: columns, then: Then::Answered }
            }
            Then::Columns(_) | Then::Answered => return true,
        }
        false
    }

    fn answered(
        &mut self,
        status: Option<u16>,
        clock: &impl Fn() -> u64,
        transaction: &mut impl FnMut(u64),
    ) -> Followed {
        let kind = self.outstanding.first().ok_or(Unexplained)?;
        let gave_back = std::mem::take(&mut self.gives_back);
        if kind == Kind::Results && status.is_some_and(|status| gave_back || status & status::MORE_RESULTS != 0) {
            self.step = Step::Answer;
            return Ok(());
        }
        let was_in_transaction = self.in_transaction;
        if let Some(status) = status {
            self.in_transaction = status & status::IN_TRANSACTION != 0;
            self.certain = true;
        }
        self.outstanding.pop();
        let next = self.outstanding.first();
        let now_us = clock();
        if !self.in_transaction && (kind == Kind::Results || was_in_transaction) {
            transaction(self.tally.transaction_over(now_us));
        }
        match next {
            Some(next) => self.begin(next),
            None => {
                self.step = Step::Answer;
                let state = if self.in_transaction { State::Transaction } else { State::Idle };
                self.tally.answered(state, now_us);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
