//! A Postgres session: the login, and with its end that by which its cancel key can be recognised.

use sluice_abi::{Buffer, Connection};
use sluice_core::postgres::last_words::LastWords;
use sluice_core::postgres::login::{Event, Login};
use sluice_core::postgres::proof::Proof;

use super::following::Following;
use super::logins::Entered;
use super::report_server;
use super::scheduled::OVERDUE;
use crate::deadline::Alarm;

/// A server closes right behind its error. One that does not shall not keep its client from reading it.
const OVERDUE_MS: u64 = 200;

pub struct Postgres {
    login: Login,
    /// The connection's id.
    id: String,
    server_id: Option<u32>,
    cancel_digest: Option<String>,
    /// The server's next words answer the client's proof.
    proof: Option<Proof>,
    /// It has failed, and the server has not closed yet.
    last_words: Option<(LastWords, Option<Alarm>)>,
    /// It has logged in.
    pub(super) entered: Option<Entered>,
}

impl Postgres {
    /// A session that may begin, on the connection `id`.
    pub fn admitted(id: String) -> Self {
        Self {
            login: Login::default(),
            id,
            server_id: None,
            cancel_digest: None,
            proof: None,
            last_words: None,
            entered: None,
        }
    }

    /// Looks at the server's bytes: in here until the login is over, in `following` from then on. One answer of a login may
    /// pass with a hint behind it; an error passes together with the server's end.
    pub fn server_sent(
        &mut self,
        connection: &Connection<'_>,
        buffer: &mut Buffer<'_>,
        end_stream: bool,
        following: &mut Following,
    ) {
        let Self { login, id, server_id, cancel_digest, proof, last_words, entered } = self;
        if let Some(mut answer) = proof.take() {
            match answer.server_sent(&buffer.copy(usize::MAX)) {
                Some(passing) => buffer.replace(&passing),
                None if end_stream => buffer.replace(&answer.unfinished()),
                None => {
                    buffer.replace(b"");
                    *proof = Some(answer);
                }
            }
        }
        buffer.chunks(|chunk| {
            let behind = login.follow(chunk, |event| match event {
                Event::ServerId(id) => {
                    *server_id = Some(id);
                    report_server(connection, id);
                }
                Event::ProofWanted => *proof = Some(Proof::default()),
                Event::CancelKey(key) => *cancel_digest = Some(key.digest(id)),
                Event::Ready => {
                    let digest = cancel_digest.take();
                    following.logged_in(connection, digest.as_deref().map(|digest| ("cancel_digest", digest)));
                    *entered = Entered::begin(connection, *server_id, digest.as_deref());
                }
                Event::Failed => {
                    following.login_failed(connection, None);
                    let overdue = Alarm::set(connection, OVERDUE_MS, OVERDUE);
                    *last_words = Some((LastWords::default(), overdue));
                }
            });
            following.server_sent(connection, behind);
            true
        });
        following.note_change(connection);
        if let Some((words, _)) = last_words {
            match words.server_sent(&buffer.copy(usize::MAX), end_stream) {
                Some(passing) => {
                    buffer.replace(&passing);
                    *last_words = None;
                }
                None => buffer.replace(b""),
            }
        }
    }

    /// True in a login where words of our own would come between two of the server's messages.
    pub fn may_be_told(&self) -> bool {
        self.login.is_between_messages()
    }

    /// The server has not closed behind its error: the client reads it now.
    pub fn overdue(&mut self, connection: &Connection<'_>) {
        if let Some((words, _)) = self.last_words.take() {
            connection.speak(&words.overdue());
        }
    }
}
