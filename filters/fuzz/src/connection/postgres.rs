//! Whole connections of Postgres clients.

use super::played::Played;
use super::{begun, beyond};
use crate::judge::{assert_error_response, is_error_response};

const CANCEL_REQUEST: &[u8] = &[4, 210, 22, 46];
const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];

/// The same, where a message of ours is what is beyond: its first bytes may be what the server had said next.
fn message_beyond<'a>(to_client: &'a [u8], said: &[u8]) -> &'a [u8] {
    let rest = beyond(to_client, said);
    let shared = to_client.len() - rest.len();
    (0..=shared).rev().map(|at| &to_client[at..]).take(16).find(|bytes| is_error_response(bytes)).unwrap_or(rest)
}

/// Of a Postgres session not a byte is invented, lost or changed; TLS comes before the client's first byte where it was asked
/// for; a client reads the server's words and at most one refusal.
pub fn connection(input: &[u8]) {
    let served = |played: &mut Played, _: bool| {
        played.client_sends(b"\0\0\0\x22\0\x03\0\0user\0checkout\0database\0d\0\0");
        played.grant("grant", "service/known", 600_000.0, false);
        assert!(played.granted, "a sound startup message is refused");
    };
    let Some((mut played, steps)) = begun("postgres", input, served) else { return };
    let is_served = played.granted;
    played.play(&steps);
    let Played { world, client, server, .. } = &played;
    let (to_server, to_client) = (world.to_server.borrow(), world.to_client.borrow());
    let is_cancel = client.get(4..8) == Some(CANCEL_REQUEST);
    assert!(!is_cancel || to_server.is_empty(), "a request to cancel passes");
    let mut said = &server[..];
    if played.granted && played.asked_for_tls {
        let (request, behind) = to_server.split_at(to_server.len().min(SSL_REQUEST.len()));
        assert!(request == SSL_REQUEST || (to_server.is_empty() && !world.is_open()), "{request:?}");
        assert!(behind.is_empty() || world.in_clear.get() == Some(SSL_REQUEST.len()), "in clear: {behind:?}");
        assert!(client.starts_with(behind));
        match world.in_clear.get() {
            Some(_) => said = server.strip_prefix(b"S").expect("TLS starts on S alone"),
            None => said = b"",
        }
    } else {
        assert!(client.starts_with(&to_server), "the server reads what the client never sent");
        let passed = to_server.len() + world.waiting_to_be_read();
        assert!(!played.granted || !world.is_open() || passed == client.len(), "bytes of the client are lost");
        assert_eq!(world.in_clear.get(), None);
    }
    let rest = beyond(&to_client, said);
    let refusal = if rest.is_empty() { rest } else { message_beyond(&to_client, said) };
    let hinted = refusal.windows(23).any(|text| text == b"channel_binding=disable");
    if !refusal.is_empty() && !hinted {
        assert_error_response(refusal);
        assert!(!world.is_open(), "a refusal, and on it goes");
    }
    if is_served && !played.disturbed {
        assert!(world.is_open() && refusal.is_empty(), "a sound session is refused: {:?}", world.closed.borrow());
    }
}
