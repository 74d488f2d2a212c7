//! The way to the server, from the grant until the connection stands: in time, or not at all.
//!
//! ```text
//!  grant ──▶ dialled ── stands in time ──▶ (TLS ──▶) the server speaks
//!               └── failed, or late ──▶ refuse
//! ```
//! Whoever gave the grant counts it as unused when its time is over, and may give its place to somebody else: a connection
//! that comes to stand later would be one too many. Envoy's own `connect_timeout` begins with the dialling, so it can't say.

use sluice_abi::{Connection, Level, Upstream, log, monotonic_ms};
use sluice_core::refusal::Refusal;
use sluice_core::tls_request as words;

use super::Session;
use super::scheduled::LOOK_UPSTREAM;
use crate::deadline::Alarm;

/// tcp_proxy closes without a word when it gives up. As long as it still tries, a failed try can be put into words; it must
/// therefore be configured to try again for longer than this.
const LOOK_MS: u64 = 200;
/// A connection is found to stand no later than this after its deadline, or it is left: a node that stands still sees neither.
/// With the way of its report to the brain it is what the brain's ledger waits for (`marginMs`).
const LATE_MS: u64 = 100;

/// A server that has been dialled.
pub struct Reaching {
    /// By when the connection must stand.
    by_ms: u64,
    /// It does.
    stands: bool,
    #[expect(dead_code, reason = "rings while it is there")]
    look: Alarm,
}

impl Reaching {
    /// `None` where the client's connection is already going away.
    pub fn begin(connection: &Connection<'_>, by_ms: u64) -> Option<Self> {
        let look = Alarm::set(connection, until_look(by_ms, false), LOOK_UPSTREAM)?;
        Some(Self { by_ms, stands: false, look })
    }

    /// The server's word proves that it stands.
    pub fn server_spoke(&mut self) {
        self.stands = true;
    }

    /// Nobody has seen it stand until now, when it may have been taken for lost.
    pub fn is_late(&self) -> bool {
        !self.stands && monotonic_ms().saturating_sub(LATE_MS) > self.by_ms
    }
}

fn until_look(by_ms: u64, stands: bool) -> u64 {
    match by_ms.saturating_sub(monotonic_ms()) {
        left_ms if !stands && left_ms > 0 => left_ms.min(LOOK_MS),
        _ => LOOK_MS,
    }
}

/// The refusal of whoever has stood still while somebody logged in.
pub fn stood_still() -> Refusal {
    Refusal::new(b"57P03", 1053, "this node has stood still while you logged in; try again")
}

impl Session {
    /// Looks at how far it is; `sequence` numbers a refusal.
    pub(super) fn look_upstream(&mut self, connection: &Connection<'_>, sequence: u8) {
        let Some(reaching) = &mut self.reaching else { return };
        if reaching.is_late() {
            self.cut(connection, &stood_still(), sequence, "sluice_stood_still");
            return;
        }
        let upstream = connection.upstream();
        log(Level::Debug, || format!("server still silent, {upstream:?}"));
        reaching.stands |= upstream == Upstream::Connected;
        if !reaching.stands && upstream == Upstream::Pending && monotonic_ms() >= reaching.by_ms {
            let words = words::unreachable("The connection did not come to stand while the grant was good.".to_owned());
            self.cut(connection, &words, sequence, "sluice_upstream_failed");
            return;
        }
        let failed = match (upstream, &self.tls) {
            (Upstream::Failed(reason), _) => Some(words::unreachable(reason)),
            (_, Some(tls)) => tls.failure(connection).map(words::insecure),
            (Upstream::Connected, None) => {
                self.reaching = None;
                return;
            }
            (Upstream::Pending, None) => None,
        };
        if let Some(refusal) = failed {
            self.refuse(connection, &refusal, sequence, "sluice_upstream_failed");
            return;
        }
        let (by_ms, stands) = (reaching.by_ms, reaching.stands);
        let look = Alarm::set(connection, until_look(by_ms, stands), LOOK_UPSTREAM);
        self.reaching = look.map(|look| Reaching { by_ms, stands, look });
    }
}
