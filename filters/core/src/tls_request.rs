//! What goes wrong on the way to TLS with a server, in words. Whatever it is, the client's bytes stay here.

use crate::refusal::Refusal;

/// A startup message or handshake response, and what may be sent behind it.
pub const MAX_HELD_BYTES: usize = 32_768;

/// Why there is no TLS with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It has none.
    NotOffered,
    /// It answered with an error.
    Failed,
    /// Bytes came with its answer that TLS does not protect.
    Stuffed,
    /// It answered something else.
    Unexpected,
    /// The way to it is not one that TLS can be started on.
    Unprepared,
    /// It closed the connection instead of an answer.
    Closed,
    /// TLS was started and did not come to stand.
    Handshake,
    /// Nothing came for too long.
    Silent,
}

/// The refusal that says so. MySQL has no place for a detail, so all of it stands in the message there.
pub fn insecure(why: Refused) -> Refusal {
    let (message, detail) = match why {
        Refused::NotOffered => (
            "the database does not offer TLS; it is required on the way to it",
            "The server answered the request for TLS with no.",
        ),
        Refused::Failed => (
            "the database answered the request for TLS with an error",
            "What it said is not repeated: without TLS it may be anybody's words.",
        ),
        Refused::Stuffed => {
            ("the database sent more than its answer to the request for TLS", "Bytes before TLS may be anybody's.")
        }
        Refused::Unexpected => (
            "the database did not answer the request for TLS as its protocol has it",
            "Is there another kind of server?",
        ),
        Refused::Unprepared => (
            "this node is not prepared for TLS to the database yet; try again",
            "Its configuration of the service is an older one.",
        ),
        Refused::Closed => ("the database closed the connection when it was asked for TLS", "It did not say why."),
        Refused::Handshake => (
            "TLS to the database failed: its certificate was not accepted (wrong CA, wrong name, expired), or it broke off",
            "The node's statistics ssl.fail_verify_error and ssl.fail_verify_san of the service's cluster tell these apart.",
        ),
        Refused::Silent => ("the database took too long over TLS; try again", "It did not answer, or not to the end."),
    };
    let mut refusal = Refusal::new(b"08006", 1105, message);
    refusal.detail = Some(detail.into());
    refusal
}

/// The refusal for a connection that Envoy did not get: `reason` is its own text.
pub fn unreachable(reason: String) -> Refusal {
    let message = if reason.contains("TLS_error") {
        "TLS to the database failed: its certificate was not accepted (wrong CA, wrong name, expired), or it broke off"
    } else {
        "the database could not be reached; try again"
    };
    let mut refusal = Refusal::new(b"08006", 1105, message);
    refusal.detail = Some(reason);
    refusal
}

/// The refusal for a server that ended the connection before its first byte.
pub fn mute() -> Refusal {
    Refusal::new(b"08006", 1105, "the database closed the connection without a word; try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_handshake_is_told_apart_from_a_server_that_is_not_there() {
        let tls = unreachable("TLS_error:|268435581:SSL routines:CERTIFICATE_VERIFY_FAILED:TLS_error_end".into());
        assert!(tls.message.starts_with("TLS to the database failed"), "{}", tls.message);
        let gone = unreachable("delayed connect error: Connection refused".into());
        assert!(gone.message.contains("could not be reached"), "{}", gone.message);
        assert_eq!(gone.detail.as_deref(), Some("delayed connect error: Connection refused"));
    }
}
