//! What the front's greeting promised must hold at the server behind, or the two sides would misread each other.

use super::capability;
use super::greeting::ServerGreeting;
use super::response::Response;
use crate::birth::Birth;
use crate::refusal::Refusal;

/// The capabilities that a client took because it was offered them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Promise {
    shared: u32,
    mariadb: u32,
}

impl Promise {
    /// What `response` took of what `birth` says was offered. What a client claims of its own accord, it would claim to the
    /// server directly too.
    pub fn taken(response: &Response, birth: &Birth) -> Self {
        Self {
            shared: response.capabilities & birth.offered & capability::CHANGE_THE_WIRE,
            mariadb: response.mariadb_capabilities & birth.offered_mariadb,
        }
    }

    /// Does `server` have all of it?
    pub fn kept_by(self, server: ServerGreeting) -> Result<(), Refusal> {
        let shared = self.shared & !server.capabilities;
        let mariadb = self.mariadb & !server.mariadb_capabilities;
        if shared == 0 && mariadb == 0 {
            return Ok(());
        }
        let text = format!(
            "this server lacks capabilities that the listener's greeting promised ({shared:#x}, MariaDB {mariadb:#x}): \
             narrow the greeting to what every server behind it can do"
        );
        Err(Refusal::new(b"HY000", 1105, text))
    }
}
