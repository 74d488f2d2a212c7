//! What a real MariaDB and its clients said, replayed whole and split at every byte. See captures/README.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "captures/replay.rs"]
mod replay;

use replay::{capture, splits};
use sluice_core::birth::Birth;
use sluice_core::config::Greeting;
use sluice_core::mysql::response::{self, Reading, Response};
use sluice_core::mysql::{self, change_user, commands, greeting, packet};

fn response(client: &str) -> Response {
    match response::read(&capture(client)) {
        Reading::Whole(response) => *response,
        other => panic!("{client}: {other:?}"),
    }
}

/// The packets in `bytes`, as (number, payload).
fn packets(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut packets = Vec::new();
    while let Some((length, sequence)) = packet::header(bytes) {
        packets.push((sequence, &bytes[4..4 + length]));
        bytes = &bytes[4 + length..];
    }
    packets
}

#[test]
fn the_servers_greeting_is_read_and_can_be_promised() {
    let bytes = capture("mysql/mariadb-10.11.greeting.bin");
    let read = greeting::read(&bytes[4..]).unwrap();
    assert_eq!((read.capabilities, read.mariadb_capabilities), (0x81ff_f7fe, 29));
    let config = Greeting {
        version: "5.5.5-10.11.0-MariaDB".into(),
        capabilities: read.capabilities,
        mariadb_capabilities: read.mariadb_capabilities,
        collation: 45,
    };
    let made = greeting::read(&greeting::make(&config, [7; 20], 1)[4..]).unwrap();
    assert_eq!(made.capabilities, (read.capabilities | mysql::capability::SSL) & !mysql::capability::NEVER);
}

#[test]
fn mysql_logins_are_relayed_with_shifted_numbers_wherever_they_are_cut() {
    use mysql::login::{Event, Login};
    let birth = Birth { offered: 0x81ff_ffde, offered_mariadb: 29, ..Birth::default() };
    for (name, end) in [
        ("login-native-10.11", Event::Ready),
        ("login-ed25519-10.11", Event::Ready),
        ("login-wrong-password-10.11", Event::Failed(1045)),
    ] {
        let server = capture(&format!("mysql/{name}.server.bin"));
        let client = capture(&format!("mysql/{name}.client.bin"));
        let [greeting, switch] = [0, 1].map(|at| packets(&server)[at].1.len() + 4);
        let (asking, deciding) = server.split_at(greeting + switch);
        let (_, proof) = packets(&client)[1];
        for split in splits(asking) {
            let mut login = Login::new(&response("mysql/pymysql.first.bin"), &birth);
            let (mut downstream, mut upstream, mut events) = (Vec::new(), Vec::new(), Vec::new());
            for chunk in split {
                login.server_sent(chunk, &mut downstream, |event| events.push(event)).unwrap();
            }
            login.client_sent(&packet::framed(4, proof), &mut upstream).unwrap();
            assert_eq!(upstream, packet::framed(3, proof), "{name}");
            login.server_sent(deciding, &mut downstream, |event| events.push(event)).unwrap();
            let numbers: Vec<u8> = packets(&downstream).iter().take(2).map(|(number, _)| *number).collect();
            assert_eq!(numbers, [3, 5], "{name}");
            assert!(matches!(events[..], [Event::ServerId(_), last] if last == end), "{name}: {events:?}");
            assert!(login.is_over());
        }
    }
}

#[test]
fn too_many_connections_reaches_the_client_with_a_number_and_a_sqlstate() {
    for split in splits(&capture("mysql/too-many-connections-10.11.server.bin")) {
        let mut login = mysql::login::Login::new(&response("mysql/mysql2.first.bin"), &Birth::default());
        let mut out = Vec::new();
        for chunk in split {
            login.server_sent(chunk, &mut out, |_| {}).unwrap();
        }
        assert_eq!(out, packet::framed(3, b"\xff\x10\x04#08004Too many connections"));
    }
}

#[test]
fn the_server_reads_a_response_without_password_and_tls() {
    // What the real server was sent, and answered with AuthSwitchRequest.
    let sent = capture("mysql/login-native-10.11.client.bin");
    let (sequence, payload) = packets(&sent)[0];
    assert_eq!((sequence, payload[1] & 0x08), (1, 0));
    let bytes = packet::framed(1, payload);
    let Reading::Whole(again) = response::read(&bytes) else { panic!("unreadable") };
    assert_eq!(again.for_server, payload, "rewriting what is rewritten changes nothing");
}

#[test]
fn a_change_of_user_is_found_in_real_traffic_wherever_it_is_cut() {
    let sent = capture("mysql/change-user-10.11.client.bin");
    // Behind the response and the proof come the commands.
    let start = packets(&sent).iter().take(2).map(|(_, payload)| payload.len() + 4).sum::<usize>();
    let bytes = &sent[start..];
    let expected = bytes.iter().position(|byte| *byte == 0x11).unwrap() - 4;
    for split in splits(bytes) {
        let mut commands = commands::Commands::default();
        let mut walk = commands.walk();
        for chunk in split {
            if !walk.chunk(chunk) {
                break;
            }
        }
        let commands::Found::ChangeUser { at, bytes: length } = walk.end() else { panic!("not found") };
        assert_eq!(at, expected);
        let command = &bytes[at..at + length];
        let rewritten = change_user::rewrite(command, mysql::capability::REQUIRED, "m").unwrap();
        assert_eq!(rewritten, command, "rewriting what is rewritten changes nothing");
        assert!(change_user::rewrite(command, mysql::capability::REQUIRED, "other").is_err());
    }
}
