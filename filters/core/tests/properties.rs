//! What must hold for any bytes: nothing panics, nothing is read past its end, and how bytes are cut changes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_core::birth::Birth;
use sluice_core::config::Protocol;
use sluice_core::first_message::{self, FirstMessage};
use sluice_core::mysql::commands::{Commands, Found};
use sluice_core::mysql::response::{self, Reading};
use sluice_core::mysql::{self, capability, change_user, greeting, packet};
use sluice_core::negotiation::{Move, Plaintext};
use sluice_core::postgres;
use sluice_core::verdict::{Claims, Verdict, judge};

const CAPTURES: [&[u8]; 6] = [
    include_bytes!("captures/postgres/psql-15.first.bin"),
    include_bytes!("captures/postgres/login-scram-15.server.bin"),
    include_bytes!("captures/mysql/mysql2.first.bin"),
    include_bytes!("captures/mysql/login-native-10.11.server.bin"),
    include_bytes!("captures/mysql/login-native-10.11.client.bin"),
    include_bytes!("captures/mysql/change-user-10.11.client.bin"),
];

/// Noise, and real traffic with some bytes changed: the latter gets further into a parser.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let spoiled = (0..CAPTURES.len(), changes).prop_map(|(which, changes)| {
        let mut bytes = CAPTURES[which].to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    prop_oneof![vec(any::<u8>(), 0..300), spoiled]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Postgres), Just(Protocol::Mysql)]
}

/// The moves of a socket that shows `bytes` in pieces of `piece`.
fn negotiate(bytes: &[u8], piece: usize, mut look: impl FnMut(&[u8]) -> Move) -> (usize, Move) {
    let (mut taken, mut arrived) = (0, 0);
    while arrived < bytes.len() {
        arrived = (arrived + piece).min(bytes.len());
        loop {
            match look(&bytes[taken..arrived]) {
                Move::Answer { drain, .. } => {
                    assert!(drain > 0 && taken + drain <= arrived);
                    taken += drain;
                }
                Move::Wait => break,
                end => return (taken, end),
            }
        }
    }
    (taken, Move::Wait)
}

fn found(bytes: &[u8], piece: usize) -> Option<usize> {
    let mut commands = Commands::default();
    let mut walk = commands.walk();
    for chunk in bytes.chunks(piece) {
        if !walk.chunk(chunk) {
            break;
        }
    }
    match walk.end() {
        Found::ChangeUser { at, .. } | Found::Kill { at, .. } => Some(at),
        Found::Nothing | Found::Undecided(_) | Found::Unclear => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_first_message_is_decided_once(protocol in protocol(), bytes in hostile()) {
        let mut decided = None;
        for end in 0..=bytes.len() {
            match (first_message::read(protocol, &bytes[..end]), &decided) {
                (FirstMessage::NeedMore, None) => {}
                (FirstMessage::NeedMore, Some(_)) => prop_assert!(false, "forgot at {}", end),
                (FirstMessage::Whole { bytes: length, .. } | FirstMessage::Cancel(_, length), None) => {
                    prop_assert_eq!(length, end, "a message is whole with its last byte");
                    decided = Some(first_message::read(protocol, &bytes[..end]));
                }
                (now, None) => decided = Some(now),
                (now, Some(before)) => prop_assert_eq!(&now, before),
            }
        }
    }

    #[test]
    fn a_negotiation_does_not_depend_on_the_cuts(bytes in hostile(), piece in 1..40_usize, allow in any::<bool>()) {
        let plaintext = if allow { Plaintext::Allow } else { Plaintext::Refuse };
        let postgres = |piece| {
            let mut negotiation = postgres::negotiation::Negotiation::new(plaintext);
            negotiate(&bytes, piece, |peeked| negotiation.look(peeked))
        };
        prop_assert_eq!(postgres(piece), postgres(300));
        let mysql = |piece| {
            let mut negotiation = mysql::negotiation::Negotiation::new(plaintext);
            negotiate(&bytes, piece, |peeked| negotiation.look(peeked))
        };
        prop_assert_eq!(mysql(piece), mysql(300));
    }

    #[test]
    fn a_postgres_login_does_not_depend_on_the_cuts(bytes in hostile(), piece in 1..40_usize) {
        let follow = |piece: usize| {
            let (mut login, mut events) = (postgres::login::Login::default(), Vec::new());
            for chunk in bytes.chunks(piece) {
                login.follow(chunk, |event| events.push(event));
            }
            (events, login.is_over())
        };
        prop_assert_eq!(follow(piece), follow(300));
    }

    #[test]
    fn a_cancel_request_is_read_back_whatever_its_key(pid in any::<u32>(), key in vec(any::<u8>(), 4..=256)) {
        let length = u32::try_from(12 + key.len()).unwrap();
        let bytes = [&length.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), &pid.to_be_bytes(), &key].concat();
        let FirstMessage::Cancel(read, whole) = first_message::read(Protocol::Postgres, &bytes) else {
            panic!("no request")
        };
        prop_assert_eq!((read.pid, read.secret, whole), (pid, key, bytes.len()));
    }

    #[test]
    fn a_mysql_login_does_not_depend_on_the_cuts(bytes in hostile(), piece in 1..40_usize, again in any::<bool>()) {
        let Reading::Whole(response) = response::read(CAPTURES[2]) else { panic!("unreadable") };
        let relay = |piece: usize| {
            let first = mysql::login::Login::new(&response, &Birth::default());
            let mut login = if again { mysql::login::Login::again(mysql::plugin::Secrecy::Tls) } else { first };
            let (mut out, mut events, mut result) = (Vec::new(), Vec::new(), Ok(()));
            for chunk in bytes.chunks(piece) {
                result = login.server_sent(chunk, &mut out, |event| events.push(event));
                if result.is_err() {
                    break;
                }
            }
            (out, events, result, login.is_over(), login.answer_sequence())
        };
        prop_assert_eq!(relay(piece), relay(300));
    }

    #[test]
    fn commands_are_found_wherever_packets_are_cut(
        packets in vec((prop_oneof![Just(0), any::<u8>()], vec(prop_oneof![Just(0x11), any::<u8>()], 0..20)), 0..12),
        piece in 1..40_usize,
    ) {
        let mut bytes = Vec::new();
        for (sequence, payload) in &packets {
            bytes.extend(packet::framed(*sequence, payload));
        }
        prop_assert_eq!(found(&bytes, piece), found(&bytes, 4096));
        // A command that the server would carry out is never missed: one at the very beginning always is a command.
        if let Some((0, payload)) = packets.first() && payload.first() == Some(&0x11) {
            prop_assert_eq!(found(&bytes, piece), Some(0));
        }
    }

    #[test]
    fn a_rewritten_response_bears_no_proof_and_no_tls(proof in "[A-Z]{20}", user in "[a-z]{1,16}", database in "[a-z]{0,16}") {
        let capabilities = capability::REQUIRED | capability::SSL | capability::CONNECT_WITH_DB | capability::PLUGIN_AUTH_LENENC;
        let mut payload = capabilities.to_le_bytes().to_vec();
        payload.resize(32, 0);
        payload.extend_from_slice(format!("{user}\0\x14{proof}{database}\0caching_sha2_password\0").as_bytes());
        let Reading::Whole(response) = response::read(&packet::framed(2, &payload)) else { panic!("refused") };
        prop_assert_eq!((&response.identity.user, &response.identity.database), (&user, &database));
        let sent = String::from_utf8_lossy(&response.for_server).into_owned();
        prop_assert!(!sent.contains(&proof));
        prop_assert_eq!(response.for_server[1] & 8, 0);
        let Reading::Whole(again) = response::read(&packet::framed(1, &response.for_server)) else { panic!("refused") };
        prop_assert_eq!(again.for_server, response.for_server);
    }

    #[test]
    fn nothing_hostile_panics(bytes in hostile(), capabilities in any::<u32>()) {
        let _ = greeting::read(&bytes);
        let _ = greeting::early_error(&bytes);
        let _ = change_user::rewrite(&bytes, capabilities, "m");
        let _ = response::read(&bytes);
        let _ = Birth::from_text(&String::from_utf8_lossy(&bytes));
        let mut out = Vec::new();
        let _ = mysql::login::Login::again(mysql::plugin::Secrecy::Tls).client_sent(&bytes, &mut out);
        prop_assert!(out.len() <= bytes.len());
    }

    #[test]
    fn only_a_whole_grant_grants(
        verdict in prop::option::of("grant|refuse|[a-z]{0,5}"),
        connection in prop::option::of("[ab]"),
        cluster in prop::option::of("[a-z]{0,3}"),
        expires in prop::option::of(any::<f64>()),
        now_ms in any::<u32>(),
    ) {
        let claims = Claims {
            verdict: verdict.clone(),
            connection: connection.clone(),
            cluster: cluster.clone(),
            expires_monotonic_ms: expires,
            ..Claims::default()
        };
        let whole = verdict.as_deref() == Some("grant")
            && connection.as_deref() == Some("a")
            && cluster.is_some_and(|cluster| !cluster.is_empty())
            && expires.is_some_and(|expires| expires > f64::from(now_ms));
        let granted = matches!(judge(claims, "a", u64::from(now_ms)), Verdict::Grant { .. });
        prop_assert_eq!(granted, whole);
    }
}
