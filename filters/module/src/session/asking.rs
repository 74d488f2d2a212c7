//! A KILL that waits for the brain to say which session of the server is meant.

use sluice_abi::{Callout, Connection};
use sluice_core::mysql::find_session;
use sluice_core::mysql::kill::{FRONT_IDS, Kill};
use sluice_core::refusal::Refusal;

use crate::NAMESPACE;

/// The bootstrap's cluster of the brain, which checks go to as well.
const BRAIN: &str = "sluice_brain";
/// Longer than the brain waits for a session that is not reported yet.
const PATIENCE_MS: u64 = 5_000;
/// What a client may send behind its KILL meanwhile. Drivers send nothing there.
const MAX_BEHIND_BYTES: usize = 16_384;

/// Asks the brain by gRPC. `None` where nobody can be asked.
pub fn ask_brain(connection: &Connection<'_>, path: &str, question: &[u8], patience_ms: u64) -> Option<Callout> {
    let headers = [
        (":method", "POST"),
        (":path", path),
        ("host", BRAIN),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    connection.ask(BRAIN, &headers, question, patience_ms)
}

pub struct Asking {
    callout: Callout,
    kill: Kill,
    /// What the client has sent behind it.
    pub behind: Vec<u8>,
    /// And nothing will follow.
    pub ended: bool,
}

impl Asking {
    /// `None` where nobody can be asked.
    pub fn begin(connection: &Connection<'_>, kill: Kill) -> Option<Self> {
        let id = connection.text(NAMESPACE, "connection")?;
        let callout = ask_brain(connection, find_session::PATH, &find_session::question(&id, kill.id), PATIENCE_MS)?;
        Some(Self { callout, kill, behind: Vec::new(), ended: false })
    }

    /// Keeps what the client sends meanwhile.
    pub fn keep(&mut self, bytes: &[u8], end_stream: bool) -> Result<(), Refusal> {
        self.behind.extend_from_slice(bytes);
        self.ended |= end_stream;
        if self.behind.len() > MAX_BEHIND_BYTES {
            let why = format!("more than {MAX_BEHIND_BYTES} bytes sent behind a KILL before it was answered");
            return Err(Refusal::protocol(why));
        }
        Ok(())
    }

    pub fn is(&self, callout: Callout) -> bool {
        self.callout == callout
    }

    /// What the server is told instead.
    pub fn answered(&self, body: Option<&[u8]>) -> Vec<u8> {
        match body.and_then(find_session::answer) {
            // It would be taken for one of the front's once more, and a KILL of it reaches no server.
            Some(Some(id)) if FRONT_IDS.contains(&id) => self.kill.unknown(),
            Some(Some(id)) => self.kill.translated(id),
            Some(None) => self.kill.unknown(),
            None => self.kill.unanswered(),
        }
    }
}
