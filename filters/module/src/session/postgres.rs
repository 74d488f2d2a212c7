//! A Postgres session: the login, and with its end that by which its cancel key can be recognised.

use sluice_abi::{Buffer, Connection};
use sluice_core::postgres::login::{Event, Login};
use sluice_core::postgres::proof::Proof;

use super::following::Following;
use super::report_server;

pub struct Postgres {
    login: Login,
    /// The connection's id.
    id: String,
    cancel_digest: Option<String>,
    /// The server's next words answer the client's proof.
    proof: Option<Proof>,
}

impl Postgres {
    /// A session that may begin, on the connection `id`.
    pub fn admitted(id: String) -> Self {
        Self { login: Login::default(), id, cancel_digest: None, proof: None }
    }

    /// Looks at the server's bytes: in here until the login is over, in `following` from then on. One answer of a login may
    /// pass with a hint behind it.
    pub fn server_sent(
        &mut self,
        connection: &Connection<'_>,
        buffer: &mut Buffer<'_>,
        end_stream: bool,
        following: &mut Following,
    ) {
        let Self { login, id, cancel_digest, proof } = self;
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
                Event::ServerId(id) => report_server(connection, id),
                Event::ProofWanted => *proof = Some(Proof::default()),
                Event::CancelKey(key) => *cancel_digest = Some(key.digest(id)),
                Event::Ready => {
                    let digest = cancel_digest.take();
                    following.logged_in(connection, digest.as_deref().map(|digest| ("cancel_digest", digest)));
                }
                Event::Failed => following.login_failed(connection, None),
            });
            following.server_sent(connection, behind);
            true
        });
        following.note_change(connection);
    }
}
