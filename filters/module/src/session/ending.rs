//! How a session ends: refused, left, by a limit, or by its server.

use sluice_abi::{Connection, Status};
use sluice_core::config::Protocol;
use sluice_core::limits::Reached;
use sluice_core::login_deadline;
use sluice_core::refusal::Refusal;
use sluice_core::tls_request::{Refused as NoTls, insecure};

use super::following::Following;
use super::scheduled::{CLOSE, LEAVE_OVER};
use super::{OnlyKill, Session, Stage};
use crate::deadline::Alarm;
use crate::farewell::{Farewell, LAST_WORDS_MS, spoken};

/// <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-TERMINATE>
const TERMINATE: &[u8] = b"X\0\0\0\x04";
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_quit.html>
const QUIT: &[u8] = b"\x01\0\0\0\x01";
/// How long a server may take to close after it was told that the session is over.
const LEAVE_MS: u64 = 5_000;
/// What a client that reads has read its last words in.
const BRIEF_WORDS_MS: u64 = 100;
/// Drivers read what comes unasked as the answer to their next command, which they number 0.
const UNASKED_SEQUENCE: u8 = 1;
pub(super) const KILL_DETAILS: &str = "sluice_kill_session_over";

impl Session {
    pub(super) fn refuse(&mut self, connection: &Connection<'_>, refusal: &Refusal, sequence: u8, details: &str) {
        self.refuse_within(LAST_WORDS_MS, connection, refusal, sequence, details);
    }

    /// Refuses a client whose connection to the server must not come to stand any more: Envoy gives that up with the client's.
    pub(super) fn cut(&mut self, connection: &Connection<'_>, refusal: &Refusal, sequence: u8, details: &str) {
        self.refuse_within(BRIEF_WORDS_MS, connection, refusal, sequence, details);
    }

    fn refuse_within(
        &mut self,
        linger_ms: u64,
        connection: &Connection<'_>,
        refusal: &Refusal,
        sequence: u8,
        details: &str,
    ) {
        self.reaching = None;
        connection.speak(&spoken(self.protocol, refusal, sequence));
        self.stage = Stage::Closed(Farewell::within(linger_ms, connection, details));
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

    /// The login has taken too long. An alarm that was under way when it was accepted comes too late.
    pub(super) fn end_login(&mut self, connection: &Connection<'_>) {
        let Some(following) = self.following.as_ref().filter(|following| !following.has_logged_in()) else { return };
        let (may_speak, sequence) = match &self.stage {
            Stage::Postgres(postgres) => (postgres.may_be_told(), 0),
            // Of a login that has failed the client has read why.
            Stage::Mysql(mysql) => (!mysql.is_logged_in(), mysql.unasked_sequence().unwrap_or_default()),
            _ => (true, 0),
        };
        if let Some(tls) = &self.tls {
            // It is the server that stands still; the next look would have said so.
            let words = insecure(tls.failure(connection).unwrap_or(NoTls::Silent));
            return self.refuse(connection, &words, sequence, "sluice_upstream_failed");
        }
        following.login_is_overdue(connection);
        let words = login_deadline::refusal(self.login_deadline_ms);
        if self.reaching.is_some() {
            // There is no server yet that could close.
            return self.refuse(connection, &words, sequence, login_deadline::DETAILS);
        }
        if may_speak {
            connection.speak(&spoken(self.protocol, &words, sequence));
        }
        // A goodbye would be taken for the answer to what the server has asked.
        connection.send_upstream(b"", true);
        let linger = Alarm::set(connection, LEAVE_MS, LEAVE_OVER);
        self.stage = Stage::Leaving { details: login_deadline::DETAILS, linger };
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
        if !self.client_has_left {
            connection.send_upstream(goodbye, false);
        }
        let linger = Alarm::set(connection, LEAVE_MS, LEAVE_OVER);
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
