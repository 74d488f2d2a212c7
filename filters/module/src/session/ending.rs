//! How a session ends: refused, left, by a limit, or by its server.

use sluice_abi::{Connection, Status};
use sluice_core::config::Protocol;
use sluice_core::limits::Reached;
use sluice_core::refusal::Refusal;

use super::following::Following;
use super::{CLOSE, KILL_DETAILS, OnlyKill, Session, Stage};
use crate::deadline::Alarm;
use crate::farewell::{Farewell, LINGER_OVER, spoken};

/// <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-TERMINATE>
const TERMINATE: &[u8] = b"X\0\0\0\x04";
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_quit.html>
const QUIT: &[u8] = b"\x01\0\0\0\x01";
/// How long a server may take to close after it was told that the session is over.
const LEAVE_MS: u64 = 5_000;
/// Drivers read what comes unasked as the answer to their next command, which they number 0.
const UNASKED_SEQUENCE: u8 = 1;

impl Session {
    pub(super) fn refuse(&mut self, connection: &Connection<'_>, refusal: &Refusal, sequence: u8, details: &str) {
        self.until_server_speaks = None;
        self.stage = Stage::Closed(Farewell::refuse(connection, self.protocol, refusal, sequence, details));
        self.let_close(connection);
    }

    pub(super) fn leave(&mut self, connection: &Connection<'_>) -> Status {
        self.stage = Stage::Closed(Farewell::silent(connection, "sluice_client_left"));
        self.let_close(connection);
        Status::Stop
    }

    /// Tells both sides that the session is over. The server's own FIN is the end: by then it has given the slot back.
    pub(super) fn end_by(&mut self, connection: &Connection<'_>, reached: Reached) {
        if let Some(following) = &self.following {
            following.ends_by(connection, reached);
        }
        self.leave_with(connection, Some(&reached.refusal(self.protocol)), reached.details());
    }

    /// A session for KILL alone has been asked for more, or its time is up. Amid a message of the server nothing can be said.
    pub(super) fn end_kill(&mut self, connection: &Connection<'_>) {
        let Some(OnlyKill { instead, .. }) = self.only_kill.take() else { return };
        let may_speak = self.following.as_ref().is_some_and(Following::is_between_messages);
        self.leave_with(connection, may_speak.then_some(&instead), KILL_DETAILS);
    }

    fn leave_with(&mut self, connection: &Connection<'_>, words: Option<&Refusal>, details: &'static str) {
        self.write_account(connection);
        if let Some(words) = words {
            connection.speak(&spoken(self.protocol, words, UNASKED_SEQUENCE));
        }
        let goodbye = match self.protocol {
            Protocol::Postgres => TERMINATE,
            Protocol::Mysql => QUIT,
        };
        connection.send_upstream(goodbye, false);
        let linger = Alarm::set(connection, LEAVE_MS, LINGER_OVER);
        self.stage = Stage::Leaving { details, linger };
    }

    /// Closes that were held back come now.
    pub(super) fn let_close(&mut self, connection: &Connection<'_>) {
        if self.tls.take().is_some() {
            connection.hold_close(false);
        }
    }

    /// Closes once Envoy has sent what this callback leaves in its buffer: closing within it would lose that.
    pub(super) fn end(&mut self, connection: &Connection<'_>, details: &'static str) {
        self.write_account(connection);
        if let (Some(scheduler), false) =
            (connection.scheduler(), matches!(self.stage, Stage::Ending { .. } | Stage::Closed(_)))
        {
            self.stage = Stage::Ending { details };
            scheduler.commit(CLOSE);
        }
    }
}
