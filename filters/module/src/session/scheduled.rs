//! What is scheduled: the events by which alarms and the session itself come back to it, and what is then due.

use sluice_abi::Connection;

use super::ending::KILL_DETAILS;
use super::following::Following;
use super::{OnlyKill, Session, Stage};
use crate::farewell::{Farewell, LINGER_OVER};

/// The last bytes have been left to Envoy.
pub(super) const CLOSE: u64 = 1;
pub(super) const LOOK_UPSTREAM: u64 = 2;
/// What has changed is written.
pub(super) const REPORT: u64 = 3;
pub(super) const LIMITS: u64 = 4;
/// A failed login's error passes although the server has not closed.
pub(super) const OVERDUE: u64 = 5;
/// The time of a session for KILL alone is up.
pub(super) const KILL_OVER: u64 = 6;
/// The login must be over.
pub(super) const LOGIN_OVERDUE: u64 = 7;
/// The server has not closed. Not [`LINGER_OVER`]: it may still ring when the client has begun to read what the server left behind.
pub(super) const LEAVE_OVER: u64 = 8;
/// It is time to tell of those who have logged in.
pub(super) const TELL: u64 = 9;

impl Session {
    /// An event is due; one whose stage has passed meanwhile means nothing.
    pub(super) fn scheduled(&mut self, connection: &Connection<'_>, event: u64) {
        match (event, &mut self.stage) {
            (OVERDUE, Stage::Postgres(postgres)) => postgres.overdue(connection),
            (CLOSE, Stage::Ending { details }) => {
                self.stage = Stage::Closed(Farewell::flush(connection, details));
                self.let_close(connection);
            }
            (REPORT, _) => {
                self.write_account(connection);
                self.look_at_book(connection);
            }
            (TELL, _) => self.tell(connection),
            (LIMITS, Stage::Postgres(_)) => self.look_at_limits(connection, true),
            (LIMITS, Stage::Mysql(mysql)) => {
                let client_rests = mysql.is_between_packets();
                self.look_at_limits(connection, client_rests);
            }
            (LOGIN_OVERDUE, Stage::Asking(_) | Stage::Postgres(_) | Stage::Mysql(_)) => self.end_login(connection),
            (KILL_OVER, Stage::Mysql(mysql)) if mysql.is_logged_in() => self.end_kill(connection),
            (KILL_OVER, Stage::Mysql(mysql)) => {
                let sequence = mysql.answer_sequence();
                if let Some(OnlyKill { instead, .. }) = self.only_kill.take() {
                    self.refuse(connection, &instead, sequence, KILL_DETAILS);
                }
            }
            (LEAVE_OVER, Stage::Leaving { details, .. }) => {
                self.stage = Stage::Closed(Farewell::flush(connection, details));
            }
            (LINGER_OVER, Stage::Closed(_)) => {
                self.stage = Stage::Closed(Farewell::silent(connection, "sluice_linger_over"));
            }
            (LOOK_UPSTREAM, Stage::Asking(_) | Stage::Postgres(_)) if self.reaching.is_some() => {
                self.look_upstream(connection, 0)
            }
            (LOOK_UPSTREAM, Stage::Mysql(mysql)) if self.reaching.is_some() => {
                let sequence = mysql.answer_sequence();
                self.look_upstream(connection, sequence);
            }
            _ => {}
        }
    }

    fn look_at_limits(&mut self, connection: &Connection<'_>, client_rests: bool) {
        let rests_since_ms = self.following.as_ref().and_then(Following::may_be_called_since_ms);
        let is_called = rests_since_ms.is_some_and(|since_ms| self.look_at_roll(connection, since_ms));
        let Some(following) = &mut self.following else { return };
        if let Some(reached) = following.look_at_limits(connection, client_rests, is_called) {
            self.end_by(connection, reached);
        }
    }
}
