//! A Postgres session: the login is followed, and by what its cancel key can be recognised is reported with its end.

use sluice_abi::{Buffer, Connection};
use sluice_core::postgres::login::{Event, Login};
use sluice_core::postgres::proof::Proof;

use super::{report_login, report_server};
use crate::NAMESPACE;

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

    /// Looks at the server's bytes, until the login is over. One answer may pass with a hint behind it.
    pub fn server_sent(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>, end_stream: bool) {
        let Self { login, id, cancel_digest, proof } = self;
        if login.is_over() {
            return;
        }
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
            login.follow(chunk, |event| match event {
                Event::ServerId(id) => report_server(connection, id),
                Event::ProofWanted => *proof = Some(Proof::default()),
                Event::CancelKey(key) => *cancel_digest = Some(key.digest(id)),
                Event::Ready => match cancel_digest.take() {
                    // In one step: each copies all that was said of the connection before.
                    Some(digest) => {
                        connection.set_texts(NAMESPACE, &[("login", "ok"), ("cancel_digest", &digest)]);
                    }
                    None => report_login(connection, "ok"),
                },
                Event::Failed => report_login(connection, "failed"),
            });
            !login.is_over()
        });
    }
}
