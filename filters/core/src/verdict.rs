//! The verdict contract: what the brain must have said for bytes to pass.
//!
//! ext_authz fails open, so this is where the connection fails closed: anything but a whole, unexpired grant for this
//! very connection is a no, and the client reads why.

use crate::cursor::bounded;
use crate::refusal::{MAX_TEXT_BYTES, Refusal};

/// The metadata namespace into which Envoy puts the `dynamic_metadata` of an OK CheckResponse.
pub const NAMESPACE: &str = "envoy.filters.network.ext_authz";

/// The fields of that namespace as found. A field of the wrong type counts as absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims {
    /// `grant`, `kill` or `refuse`.
    pub verdict: Option<String>,
    /// The id that the verdict is about.
    pub connection: Option<String>,
    /// The cluster of a grant.
    pub cluster: Option<String>,
    /// Until when a grant is good, on the node's CLOCK_MONOTONIC, in milliseconds.
    pub expires_monotonic_ms: Option<f64>,
    /// Who starts TLS to the server, where not Envoy by itself: `request` is the protocol's own request.
    pub upstream_tls: Option<String>,
    /// How long a session for KILL alone may last, in milliseconds.
    pub life_ms: Option<f64>,
    /// A refusal's code for Postgres, and the class for MySQL.
    pub sqlstate: Option<String>,
    /// A refusal's number for MySQL.
    pub errno: Option<f64>,
    /// A refusal's text.
    pub message: Option<String>,
    /// More of it.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// What to do with the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let the bytes pass to this cluster.
    Grant {
        /// Envoy's name of it.
        cluster: String,
        /// Until when it is good, on the node's CLOCK_MONOTONIC.
        expires_ms: u64,
        /// TLS must be asked for before anything else is sent there.
        asks_for_tls: bool,
        /// There is no room for all that a session may do.
        only_kill: Option<KillSession>,
    },
    /// Speak this and close.
    Refuse(Refusal),
}

/// A session for KILL alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillSession {
    /// The answer to everything else, and its last word.
    pub instead: Refusal,
    /// How long it may last.
    pub life_ms: u64,
}

/// The longest session for KILL alone, whatever the brain says.
pub const MAX_KILL_SESSION_MS: u64 = 10_000;

/// Judges `claims` for the connection `own` at `now_ms` (CLOCK_MONOTONIC).
pub fn judge(claims: Claims, own: &str, now_ms: u64) -> Verdict {
    match claims.verdict.as_deref() {
        Some("grant") => grant(claims, own, now_ms, None),
        Some("kill") => {
            let life_ms = claims.life_ms.filter(|ms| *ms >= 0.0).map_or(MAX_KILL_SESSION_MS, |ms| ms as u64);
            let instead = refusal(&claims);
            grant(claims, own, now_ms, Some(KillSession { instead, life_ms: life_ms.min(MAX_KILL_SESSION_MS) }))
        }
        Some("refuse") => Verdict::Refuse(refusal(&claims)),
        Some(other) => unavailable(format!("the admission service answered \"{}\"", bounded(other, 32))),
        None => unavailable("the admission service did not answer"),
    }
}

fn grant(claims: Claims, own: &str, now_ms: u64, only_kill: Option<KillSession>) -> Verdict {
    if own.is_empty() || claims.connection.as_deref() != Some(own) {
        return unavailable("the grant is for another connection");
    }
    let expires_ms = match claims.expires_monotonic_ms {
        // Written so that NaN is expired.
        Some(expires) if expires > now_ms as f64 => expires as u64,
        Some(_) => return unavailable("the grant expired before it could be used"),
        None => return unavailable("the grant has no expiry"),
    };
    let asks_for_tls = match claims.upstream_tls.as_deref() {
        None => false,
        Some("request") => true,
        // Never less protection than was meant.
        Some(other) => return unavailable(format!("the grant wants TLS by \"{}\"", bounded(other, 32))),
    };
    match claims.cluster {
        Some(cluster) if !cluster.is_empty() => Verdict::Grant { cluster, expires_ms, asks_for_tls, only_kill },
        _ => unavailable("the grant names no cluster"),
    }
}

fn refusal(claims: &Claims) -> Refusal {
    let sqlstate = claims.sqlstate.as_deref().and_then(|code| {
        let code: [u8; 5] = code.as_bytes().try_into().ok()?;
        code.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).then_some(code)
    });
    let errno = claims.errno.filter(|errno| (1.0..=65535.0).contains(errno) && errno.fract() == 0.0);
    let text = |text: &Option<String>| text.as_deref().map(|text| bounded(text, MAX_TEXT_BYTES).to_owned());
    Refusal {
        sqlstate: sqlstate.unwrap_or(*b"57P03"),
        errno: errno.map_or(1105, |errno| errno as u16),
        message: text(&claims.message).unwrap_or_else(|| "refused by the admission service".into()).into(),
        detail: text(&claims.detail),
        hint: text(&claims.hint),
    }
}

/// 57P03 cannot_connect_now, which drivers take as "try again"; MySQL has no word of its own for it that clients retry
/// on, 1053 (08S01) comes nearest.
fn unavailable(why: impl std::fmt::Display) -> Verdict {
    let mut refusal = Refusal::new(b"57P03", 1053, format!("{why}; try again"));
    refusal.hint = Some("No connection to the database was opened.".into());
    Verdict::Refuse(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "0123456789abcdef0123456789abcdef";

    fn good() -> Claims {
        Claims {
            verdict: Some("grant".into()),
            connection: Some(OWN.into()),
            cluster: Some("orders".into()),
            expires_monotonic_ms: Some(1_000.0),
            ..Claims::default()
        }
    }

    fn refused_with(claims: Claims, now_ms: u64) -> String {
        match judge(claims, OWN, now_ms) {
            Verdict::Refuse(refusal) => {
                assert_eq!(&refusal.sqlstate, b"57P03");
                refusal.message.into_owned()
            }
            Verdict::Grant { cluster, .. } => panic!("granted to {cluster}"),
        }
    }

    #[test]
    fn a_whole_unexpired_grant_for_this_connection_passes() {
        let plain =
            Verdict::Grant { cluster: "orders".into(), expires_ms: 1_000, asks_for_tls: false, only_kill: None };
        assert_eq!(judge(good(), OWN, 999), plain);
    }

    #[test]
    fn a_grant_says_whether_tls_is_to_be_asked_for_and_an_unknown_way_is_a_no() {
        let by = |way: &str| Claims { upstream_tls: Some(way.into()), ..good() };
        let asking =
            Verdict::Grant { cluster: "orders".into(), expires_ms: 1_000, asks_for_tls: true, only_kill: None };
        assert_eq!(judge(by("request"), OWN, 0), asking);
        assert!(refused_with(by("starttls"), 0).contains("\"starttls\""));
        assert!(refused_with(by(""), 0).contains("TLS"));
    }

    #[test]
    fn a_grant_is_good_until_its_expiry_and_no_longer() {
        assert!(refused_with(good(), 1_000).contains("expired"));
        assert!(refused_with(Claims { expires_monotonic_ms: Some(f64::NAN), ..good() }, 0).contains("expired"));
        assert!(refused_with(Claims { expires_monotonic_ms: None, ..good() }, 0).contains("no expiry"));
    }

    #[test]
    fn a_grant_of_another_connection_is_worth_nothing() {
        assert!(refused_with(Claims { connection: Some("0".repeat(32)), ..good() }, 0).contains("another"));
        assert!(refused_with(Claims { connection: None, ..good() }, 0).contains("another"));
        assert!(matches!(judge(Claims { connection: Some(String::new()), ..good() }, "", 0), Verdict::Refuse(_)));
    }

    #[test]
    fn silence_and_unknown_words_are_a_no() {
        assert!(refused_with(Claims::default(), 0).contains("did not answer"));
        assert!(refused_with(Claims { verdict: Some("Grant".into()), ..good() }, 0).contains("\"Grant\""));
        assert!(refused_with(Claims { cluster: None, ..good() }, 0).contains("no cluster"));
    }

    #[test]
    fn leave_for_kill_alone_is_a_grant_with_a_refusal_and_an_end() {
        let claims = |life_ms| Claims {
            verdict: Some("kill".into()),
            errno: Some(1040.0),
            sqlstate: Some("53300".into()),
            message: Some("full".into()),
            life_ms,
            ..good()
        };
        let life = |life_ms| match judge(claims(life_ms), OWN, 999) {
            Verdict::Grant { only_kill: Some(KillSession { instead, life_ms }), .. } => {
                assert_eq!((instead.errno, instead.message.as_ref()), (1040, "full"));
                life_ms
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(
            [Some(2_000.0), None, Some(f64::NAN), Some(-1.0), Some(1e9)].map(life),
            [2_000, 10_000, 10_000, 10_000, 10_000]
        );
        assert!(refused_with(claims(None), 1_000).contains("expired"));
        assert!(refused_with(Claims { connection: None, ..claims(None) }, 0).contains("another"));
    }

    #[test]
    fn a_refusal_is_spoken_as_it_was_given() {
        let claims = Claims {
            verdict: Some("refuse".into()),
            sqlstate: Some("53300".into()),
            errno: Some(1040.0),
            message: Some("full".into()),
            detail: Some("40 of 40".into()),
            ..Claims::default()
        };
        let Verdict::Refuse(refusal) = judge(claims, OWN, 0) else { panic!("granted") };
        assert_eq!((refusal.sqlstate, refusal.errno, refusal.message.as_ref()), (*b"53300", 1040, "full"));
        assert_eq!(refusal.detail.as_deref(), Some("40 of 40"));
    }

    #[test]
    fn a_broken_refusal_still_refuses() {
        let claims = Claims {
            verdict: Some("refuse".into()),
            sqlstate: Some("5\x00300".into()),
            errno: Some(-1.5),
            ..Claims::default()
        };
        let Verdict::Refuse(refusal) = judge(claims, OWN, 0) else { panic!("granted") };
        assert_eq!((&refusal.sqlstate, refusal.errno), (b"57P03", 1105));
    }
}
