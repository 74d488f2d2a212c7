//! The commands of a MySQL client that is logged in: what passes, what waits for its packet's end or behind a KILL for the
//! brain, and what is rewritten on its way.

use sluice_abi::{Buffer, Callout, Connection, Status};
use sluice_core::mysql::change_user::{self, rewrite};
use sluice_core::mysql::commands::Passage;
use sluice_core::mysql::login::Login;
use sluice_core::refusal::Refusal;

use super::Mysql;
use crate::session::Refused;
use crate::session::asking::Asking;
use crate::session::following::Following;

impl Mysql {
    /// Lets commands pass, as far as they may.
    pub(super) fn commands_sent(
        &mut self,
        connection: &Connection<'_>,
        buffer: &mut Buffer<'_>,
        end_stream: bool,
        following: &mut Following,
    ) -> Result<Status, Refused> {
        if let Some(only_kill) = &mut self.only_kill {
            buffer.replace(&only_kill.client_sent(&buffer.copy(usize::MAX)));
        }
        if let Some(asking) = &mut self.asking {
            asking.keep(&buffer.copy(usize::MAX), end_stream).map_err(answering)?;
            buffer.replace(b"");
            return Ok(Status::Stop);
        }
        if !self.held.is_empty() {
            buffer.prepend(&std::mem::take(&mut self.held));
        }
        let mut walk = self.commands.walk_telling(|started| following.command(started));
        buffer.chunks(|chunk| walk.chunk(chunk));
        let found = walk.end();
        following.note_change(connection);
        match found.passage(buffer.len(), end_stream) {
            Passage::All => Ok(Status::Continue),
            Passage::Hold(0) => Ok(Status::Stop),
            passage => {
                let passing = self.pass(connection, following, passage, &buffer.copy(usize::MAX), end_stream)?;
                if self.asking.is_none() {
                    buffer.replace(&passing);
                    return Ok(Status::Continue);
                }
                // What is behind a KILL waits with it, the end of the stream too.
                buffer.replace(b"");
                if !passing.is_empty() {
                    connection.send_upstream(&passing, false);
                }
                Ok(Status::Stop)
            }
        }
    }

    /// What may pass of `bytes`; what waits is kept. Behind bytes that pass nothing can stay with Envoy, as the next filter
    /// takes a buffer whole, and keeping all of it back could fill Envoy's buffer for ever.
    fn pass(
        &mut self,
        connection: &Connection<'_>,
        following: &mut Following,
        mut passage: Passage,
        mut bytes: &[u8],
        end_stream: bool,
    ) -> Result<Vec<u8>, Refused> {
        let mut upstream = Vec::new();
        // One after the other, and each byte copied once: a client may have sent thousands of them.
        while let Passage::Kill { at, bytes: length, kill } = passage {
            let (before, rest) = cut(bytes, at);
            let (_, behind) = cut(rest, length);
            upstream.extend(before);
            if let Some(mut asking) = Asking::begin(connection, kill) {
                asking.keep(behind, end_stream).map_err(answering)?;
                self.asking = Some(asking);
                return Ok(upstream);
            }
            let instead = kill.unanswered();
            passage = self.look_behind(connection, following, &instead, behind, end_stream);
            bytes = behind;
            upstream.extend(instead);
        }
        match passage {
            Passage::All => upstream.extend(bytes),
            Passage::Hold(at) => {
                let (before, rest) = cut(bytes, at);
                self.held = rest.to_vec();
                upstream.extend(before);
            }
            Passage::Cut(at) => upstream.extend(cut(bytes, at).0),
            Passage::ChangeUser { at, bytes: length } => {
                following.changes_user();
                let (before, rest) = cut(bytes, at);
                let (command, behind) = cut(rest, length);
                upstream.extend(before);
                upstream.extend(rewrite(command, self.capabilities, &self.user).map_err(answering)?);
                let login = self.login.insert(Login::again(self.secrecy));
                login.client_sent(behind, &mut upstream).map_err(answering)?;
            }
            Passage::Kill { .. } => {}
            Passage::Refuse(refusal) => return Err(answering(refusal)),
        }
        Ok(upstream)
    }

    /// What may pass of what is `behind` a KILL, in whose place goes `instead`, one whole packet.
    fn look_behind(
        &mut self,
        connection: &Connection<'_>,
        following: &mut Following,
        instead: &[u8],
        behind: &[u8],
        end_stream: bool,
    ) -> Passage {
        let mut look = |bytes: &[u8]| {
            let mut walk = self.commands.walk_telling(|started| following.command(started));
            walk.chunk(bytes);
            walk.end()
        };
        look(instead);
        let found = look(behind);
        following.note_change(connection);
        found.passage(behind.len(), end_stream)
    }

    /// The brain has answered, or will not: what now passes to the server. True where the end of the stream does.
    pub fn answered(
        &mut self,
        connection: &Connection<'_>,
        following: &mut Following,
        callout: Callout,
        body: Option<&[u8]>,
    ) -> Result<bool, Refused> {
        let Some(asking) = self.asking.take_if(|asking| asking.is(callout)) else { return Ok(false) };
        let (mut passing, behind) = (asking.answered(body), &asking.behind);
        let passage = self.look_behind(connection, following, &passing, behind, asking.ended);
        passing.extend(self.pass(connection, following, passage, behind, asking.ended)?);
        let end_stream = asking.ended && self.asking.is_none();
        connection.send_upstream(&passing, end_stream);
        Ok(end_stream)
    }
}

fn cut(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    bytes.split_at(at.min(bytes.len()))
}

/// Refuses a command.
fn answering(refusal: Refusal) -> Refused {
    (refusal, change_user::ANSWER_SEQUENCE)
}
