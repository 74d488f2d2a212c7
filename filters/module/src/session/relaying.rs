//! What the two sides send, on its way through the stage that the session has reached: it passes, waits, or ends in a refusal.

use sluice_abi::{Buffer, Connection, Status};
use sluice_core::config::Protocol;
use sluice_core::postgres::cancel;
use sluice_core::tls_request::{self as words, Refused as NoTls};

use super::postgres::Postgres;
use super::reaching::{Reaching, stood_still};
use super::upstream_tls::UpstreamTls;
use super::{Refused, Session, Stage};
use crate::NAMESPACE;
use crate::farewell::{Farewell, spoken};

impl Session {
    pub(super) fn client_sent(
        &mut self,
        connection: &Connection<'_>,
        buffer: &mut Buffer<'_>,
        end_stream: bool,
    ) -> Status {
        let outcome = match (&mut self.stage, &mut self.following) {
            // It gets no answer, whatever the verdict is, and none that could take it to a server.
            (Stage::Waiting, _) if self.protocol == Protocol::Postgres && cancel::begins(&buffer.copy(8)) => {
                self.stage = Stage::Closed(Farewell::silent(connection, "sluice_cancel_request"));
                Ok(Status::Stop)
            }
            (Stage::Waiting, _) => self.decide(connection, buffer),
            // What it has sent waits here for TLS, its end must not come before that, and nobody logs in who hears no answer.
            (Stage::Asking(_), _) if end_stream => return self.leave(connection),
            (Stage::Mysql(_), _) if end_stream && self.tls.as_ref().is_some_and(|tls| !tls.is_started()) => {
                return self.leave(connection);
            }
            (Stage::Asking(request), Some(following)) => {
                following.client_sent(connection, buffer);
                let taken = request.client_sent(&buffer.copy(usize::MAX));
                buffer.replace(b"");
                taken.map(|()| Status::Stop).map_err(|refusal| (refusal, 0))
            }
            (Stage::Postgres(_), Some(following)) => {
                following.client_sent(connection, buffer);
                Ok(Status::Continue)
            }
            (Stage::Mysql(mysql), Some(following)) => mysql.client_sent(connection, buffer, end_stream, following),
            _ => Ok(Status::Stop),
        };
        let status = outcome.unwrap_or_else(|(refusal, sequence)| {
            self.refuse(connection, &refusal, sequence, "sluice_session_refused");
            Status::Stop
        });
        if matches!(&self.stage, Stage::Mysql(mysql) if mysql.is_refused()) {
            // What it asked for before goes before.
            if status == Status::Continue {
                connection.send_upstream(&buffer.copy(usize::MAX), false);
            }
            buffer.replace(b"");
            self.end_kill(connection);
            return Status::Stop;
        }
        self.client_has_left |= end_stream && status == Status::Continue;
        status
    }

    pub(super) fn server_sent(
        &mut self,
        connection: &Connection<'_>,
        buffer: &mut Buffer<'_>,
        end_stream: bool,
    ) -> Status {
        if self.tls.as_ref().is_some_and(UpstreamTls::is_started) {
            self.tls = None;
            connection.hold_close(false);
        }
        let is_late = self.reaching.as_ref().is_some_and(Reaching::is_late);
        if self.tls.is_none() {
            self.reaching = None;
        } else if let (false, Some(reaching)) = (is_late, &mut self.reaching) {
            reaching.server_spoke();
        }
        self.server_has_spoken |= !buffer.is_empty();
        let is_mute = end_stream && !self.server_has_spoken;
        let outcome = match (&mut self.stage, &mut self.following) {
            // A refusal of `startup` passes by.
            (Stage::Waiting, _) => return Status::Continue,
            (Stage::Asking(_) | Stage::Postgres(_) | Stage::Mysql(_), _) if is_late => {
                buffer.replace(b"");
                Err((stood_still(), self.sequence()))
            }
            (Stage::Postgres(_), _) if is_mute => Err((words::mute(), 0)),
            (Stage::Mysql(mysql), _) if is_mute => Err((words::mute(), mysql.answer_sequence())),
            (Stage::Asking(request), _) => {
                let answer = request.server_sent(&buffer.copy(2));
                buffer.replace(b"");
                match answer {
                    Some(answer) => answer.map(Some),
                    None if end_stream => Err(words::insecure(NoTls::Closed)),
                    None => Ok(None),
                }
                .map_err(|refusal| (refusal, 0))
            }
            (Stage::Postgres(postgres), Some(following)) => {
                postgres.server_sent(connection, buffer, end_stream, following);
                Ok(None)
            }
            (Stage::Mysql(mysql), Some(following)) => mysql.server_sent(connection, buffer, following),
            _ => {
                buffer.replace(b"");
                Ok(None)
            }
        };
        let outcome = outcome.and_then(|behind| behind.map_or(Ok(()), |behind| self.start_tls(connection, &behind)));
        if let Err((refusal, sequence)) = outcome {
            let relayed = buffer.copy(usize::MAX);
            buffer.replace(&[relayed, spoken(self.protocol, &refusal, sequence)].concat());
            self.end(connection, "sluice_session_refused");
        }
        if end_stream {
            // Its FIN: the server has freed what this connection held.
            connection.set_flag(NAMESPACE, "server_closed", true);
            let details = match self.stage {
                Stage::Leaving { details, .. } => details,
                _ => "sluice_server_closed",
            };
            self.end(connection, details);
        }
        Status::Continue
    }

    /// The server agreed to TLS; `behind` is what it shall read behind it.
    fn start_tls(&mut self, connection: &Connection<'_>, behind: &[u8]) -> Result<(), Refused> {
        if !connection.start_upstream_tls() {
            return Err((words::insecure(NoTls::Unprepared), self.sequence()));
        }
        if let Some(tls) = &mut self.tls {
            tls.started();
        }
        if matches!(self.stage, Stage::Asking(_)) {
            let own = connection.text(NAMESPACE, "connection").unwrap_or_default();
            self.stage = Stage::Postgres(Box::new(Postgres::admitted(own)));
        }
        connection.send_upstream(behind, false);
        Ok(())
    }

    /// The number of an answer of ours; of no meaning in Postgres.
    fn sequence(&self) -> u8 {
        if let Stage::Mysql(mysql) = &self.stage { mysql.answer_sequence() } else { 0 }
    }
}
