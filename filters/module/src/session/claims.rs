//! What ext_authz left in the connection's metadata.

use sluice_abi::Connection;
use sluice_core::verdict::{self, Claims};

/// Reads the verdict's fields.
pub fn claims(connection: &Connection<'_>) -> Claims {
    let text = |key| connection.text(verdict::NAMESPACE, key);
    let number = |key| connection.number(verdict::NAMESPACE, key);
    let verdict = text("verdict");
    let refused = matches!(verdict.as_deref(), Some("refuse" | "kill"));
    let granted = matches!(verdict.as_deref(), Some("grant" | "kill"));
    // Each look-up costs Envoy two strings: only those that the verdict can have.
    let if_granted = |key| if granted { text(key) } else { None };
    let if_refused = |key| if refused { text(key) } else { None };
    Claims {
        connection: if_granted("connection"),
        cluster: if_granted("cluster"),
        expires_monotonic_ms: if granted { number("expires_monotonic_ms") } else { None },
        upstream_tls: if_granted("upstream_tls"),
        life_ms: if granted && refused { number("life_ms") } else { None },
        sqlstate: if_refused("sqlstate"),
        errno: if refused { number("errno") } else { None },
        message: if_refused("message"),
        detail: if_refused("detail"),
        hint: if_refused("hint"),
        verdict,
    }
}
