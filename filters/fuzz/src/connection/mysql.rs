//! Whole connections of MySQL clients.

use sluice_core::mysql::kill::MAX_STATEMENT_BYTES;
use sluice_core::mysql::packet::{HEADER_BYTES, framed};

use super::played::Played;
use super::{begun, beyond};
use crate::envoy::Fact;
use crate::judge::{assert_err_packet, is_err_packet};
use crate::mysql::commands::{admits_only, carried_out};
use crate::mysql::{packets, server_reads};

/// The beginning of what may be a KILL.
const MAX_UNDECIDED_BYTES: usize = HEADER_BYTES + 1 + MAX_STATEMENT_BYTES;

/// The client's answer to the front's greeting, over TLS.
pub(super) fn response() -> Vec<u8> {
    let mut payload = 0x0008_a200_u32.to_le_bytes().to_vec();
    payload.extend([0, 0, 0, 1, 45]);
    payload.extend([0; 23]);
    payload.extend(b"m\0\0mysql_native_password\0");
    framed(2, &payload)
}

/// The greeting of the server in a prologue, with every capability.
pub(super) fn server_greeting() -> Vec<u8> {
    let mut payload = b"\x0a11.4\0\x07\0\0\0saltsalt\0".to_vec();
    payload.extend(b"\xff\xff\x2d\x02\0\xff\xff\x15\0\0\0\0\0\0\xff\xff\xff\xffsaltsaltsalt\0mysql_native_password\0");
    framed(0, &payload)
}

/// Is this what a session for KILL alone may ask of a server, or what is asked in its place?
fn of_a_kill_session(payload: &[u8]) -> bool {
    let text = match payload {
        [1 | 2 | 9 | 12 | 14, ..] => return true,
        [3, 0, 1, text @ ..] | [3, text @ ..] => text.to_ascii_uppercase(),
        _ => return false,
    };
    if text.starts_with(b"SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT") {
        return true;
    }
    let text = text.trim_ascii();
    let text = text.strip_suffix(b";").unwrap_or(text);
    let has = |word: &[u8]| text.windows(word.len()).any(|at| at == word);
    let begins = |word: &[u8]| {
        text.starts_with(word) || text.starts_with(b"/*") || text.starts_with(b"--") || text.starts_with(b"#")
    };
    let begins_set_statement = text.starts_with(b"SET STATEMENT ");
    !has(b"/*!")
        && !has(b"/*M!")
        && !begins_set_statement
        && (!has(b"SELECT") || (has(b"@@") && !has(b"(")))
        && [&b"KILL"[..], b"SET", b"SELECT", b"SHOW"].into_iter().any(begins)
}

/// May this be asked of a server in the place of a KILL?
fn is_in_place_of_kill(payload: &[u8]) -> bool {
    match payload {
        [0x0c, ..] => payload.len() == 5,
        [3, 0, 1, text @ ..] | [3, text @ ..] => {
            text.starts_with(b"KILL ") || text.starts_with(b"SIGNAL SQLSTATE 'HY000' SET")
        }
        _ => false,
    }
}

/// Was the server told that the session is over?
fn leaves(passed: &[u8]) -> bool {
    passed.ends_with(b"\x01\0\0\0\x01")
}

/// A MySQL client is one user from first to last, and proves it to the server alone; after login packets pass untouched.
pub fn connection(input: &[u8]) {
    let served = |played: &mut Played, kills: bool| {
        played.client_sends(&response());
        played.grant(if kills { "kill" } else { "grant" }, "service/known", 600_000.0, false);
        played.server_sends(&server_greeting());
        played.server_sends(&framed(2, b"\xfemysql_native_password\0saltsaltsaltsaltsalt\0"));
        played.client_sends(&framed(4, b"proofproofproofproof"));
        played.server_sends(&framed(4, b"\0\0\0\x02\0\0\0"));
        assert!(played.at_login.is_some(), "a sound login is refused");
    };
    let Some((mut played, steps)) = begun("mysql", input, served) else { return };
    let is_served = played.granted;
    played.play(&steps);
    let Played { world, client, server, .. } = &played;
    let (to_server, to_client) = (world.to_server.borrow(), world.to_client.borrow());
    let mut sent = packets(&to_server).into_iter();
    let mut first = sent.next();
    if played.granted && played.asked_for_tls {
        if let Some((number, request)) = first {
            assert_eq!((number, request.len(), request[1] & 8), (1, 32, 8), "TLS is asked for first");
        }
        assert!(to_server.len() <= 36 || world.in_clear.get() == Some(36), "in clear behind the request for TLS");
        first = sent.next();
    }
    if let Some((_, response)) = first {
        let (user, database) = server_reads(response, played.asked_for_tls).expect("a response that proves nothing");
        let named =
            |name| world.fact(name) == Some(Fact::Text(if name == "user" { user } else { database }.to_owned()));
        assert!(named("user") && named("database"), "the server reads {user:?}, {database:?}");
    }
    let Some([client_at, to_server_at, server_at, to_client_at]) = played.at_login else {
        let refused_by_server = world.fact("login").is_some();
        if !world.is_open() && !to_client.is_empty() && !played.disturbed && !refused_by_server {
            // All that the client was sent are whole packets, its refusal the last.
            let whole = packets(&to_client);
            let (number, payload) = whole.last().expect("a packet");
            // A client takes nothing but the next number for the answer to its response.
            let is_refused = world.why().as_deref() == Some("sluice_session_refused");
            if let (true, [_], [_, _, _, sent, ..], []) = (is_refused, &whole[..], &client[..], &server[..]) {
                assert_eq!(*number, sent.wrapping_add(1));
            }
            assert_err_packet(&framed(*number, payload), *number);
            assert_eq!(to_client.len(), whole.iter().map(|(_, payload)| payload.len() + 4).sum::<usize>());
        }
        return;
    };
    let (commands, passed) = (&client[client_at..], &to_server[to_server_at..]);
    let (said, read) = (&server[server_at..], &to_client[to_client_at..]);
    if played.kills {
        for (number, payload) in packets(passed) {
            assert!(number == 0 && of_a_kill_session(payload), "more than KILL: {payload:?}");
        }
        let refusal = beyond(read, said);
        let is_left = leaves(passed) || world.server_left.get();
        assert!(refusal.is_empty() || !world.is_open() || is_left, "a refusal, and on it goes");
    } else if !commands.contains(&0x11) && !world.has_asked_of_kill() {
        assert!(commands.starts_with(passed), "the server reads what the client never sent");
        assert!(
            !world.is_open() || commands.len() - passed.len() <= MAX_UNDECIDED_BYTES,
            "bytes of the client are lost"
        );
        let refusal = beyond(read, said);
        assert!(refusal.is_empty() || !world.is_open(), "the client reads what the server never said");
        if is_served && !played.disturbed {
            assert!(world.is_open() && refusal.is_empty(), "a sound session is refused");
        }
    }
    if !played.kills && !commands.contains(&0x11) {
        let (all_sent, all_passed) = (packets(commands), packets(passed));
        let waits = !world.is_open() || world.is_closing() || world.is_asking();
        assert!(waits || all_sent.len() == all_passed.len(), "{all_passed:?} of {all_sent:?}");
        for ((number, sent), (passed_number, passed)) in all_sent.into_iter().zip(all_passed) {
            let is_kill = world.has_asked_of_kill()
                && is_in_place_of_kill(passed)
                && (sent.starts_with(b"\x03") || sent.starts_with(b"\x0c"));
            assert!(passed_number == number && (passed == sent || is_kill), "{passed:?} in the place of {sent:?}");
        }
        let words = beyond(read, said);
        // Its first bytes may be what the server had said next.
        let shared = read.len() - words.len();
        let is_refusal = (shared.saturating_sub(16)..=shared).any(|at| is_err_packet(&read[at..]));
        assert!(words.is_empty() || (is_refusal && !world.is_open()), "the client reads what nobody said");
    }
    let Some(Fact::Text(user)) = world.fact("user") else { panic!("nobody") };
    let passed = packets(passed);
    for patience in [0, 1, 254, 255, 256, 70_000] {
        if let Some(which) = carried_out(&passed, patience) {
            assert!(admits_only(&user, passed[which].1), "another user: {:?}", passed[which]);
        }
    }
}
