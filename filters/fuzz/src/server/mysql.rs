//! The command phase of a MySQL server that keeps a connection whose change of user has failed, as MariaDB does.

use std::collections::VecDeque;

pub const COM_QUERY: u8 = 0x03;
pub const COM_PING: u8 = 0x0e;
pub const COM_CHANGE_USER: u8 = 0x11;
pub const COM_STMT_CLOSE: u8 = 0x19;
/// A stream without an end.
pub const COM_BINLOG_DUMP: u8 = 0x12;

/// One connection's thread.
#[derive(Default)]
pub struct Thread {
    unread: VecDeque<u8>,
}

/// What it says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Ok,
    Error,
}

impl Thread {
    pub fn is_sent(&mut self, command: u8) {
        if command != COM_STMT_CLOSE {
            self.unread.push_back(command);
        }
    }

    /// It has answered everything.
    pub fn rests(&self) -> bool {
        self.unread.is_empty()
    }

    /// It answers the next command.
    pub fn answers(&mut self, answer: Answer) -> Option<Answer> {
        self.unread.pop_front().map(|_| answer)
    }
}
