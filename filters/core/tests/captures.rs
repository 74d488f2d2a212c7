//! What real clients and servers said, replayed whole and split at every byte. See captures/README.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "captures/replay.rs"]
mod replay;

use replay::{capture, splits};
use sluice_core::config::Protocol;
use sluice_core::first_message::{self, FirstMessage};
use sluice_core::identity::Identity;
use sluice_core::mysql;
use sluice_core::negotiation::{Move, Plaintext};
use sluice_core::postgres;

/// Shows `opening` as a socket would, first up to `cut`; returns what is left for the next filter.
fn negotiate(opening: &[u8], cut: usize, mut look: impl FnMut(&[u8]) -> Move) -> Vec<u8> {
    let mut taken = 0;
    for arrived in [cut, opening.len()] {
        loop {
            match look(&opening[taken.min(arrived)..arrived]) {
                Move::Answer { drain, .. } => taken += drain,
                Move::Wait => break,
                Move::Pass => return opening[taken..].to_vec(),
                refused => panic!("{refused:?}"),
            }
        }
    }
    panic!("still waiting after {} bytes", opening.len())
}

const POSTGRES: [(&str, &str); 8] = [
    ("psql-15", "psql"),
    ("pgbench-15", "pgbench"),
    ("psycopg-3", ""),
    ("asyncpg", ""),
    ("asyncpg-direct", ""),
    ("pg8000", ""),
    ("node-pg", ""),
    ("postgres.js", "postgres.js"),
];
const MYSQL: [&str; 4] = ["pymysql", "connector-python", "mysql2", "mariadb-cli-10.11"];

#[test]
fn every_postgres_client_reaches_tls() {
    for (client, _) in POSTGRES {
        let opening = capture(&format!("postgres/{client}.opening.bin"));
        for cut in 0..=opening.len() {
            let mut negotiation = postgres::negotiation::Negotiation::new(Plaintext::Refuse);
            assert_eq!(negotiate(&opening, cut, |peeked| negotiation.look(peeked))[0], 0x16, "{client} cut at {cut}");
        }
    }
}

#[test]
fn every_mysql_client_reaches_tls() {
    for client in MYSQL {
        let opening = capture(&format!("mysql/{client}.opening.bin"));
        for cut in 0..=opening.len() {
            let mut negotiation = mysql::negotiation::Negotiation::new(Plaintext::Refuse);
            assert_eq!(negotiate(&opening, cut, |peeked| negotiation.look(peeked))[0], 0x16, "{client} cut at {cut}");
        }
    }
}

fn identity(protocol: Protocol, name: &str) -> Identity {
    let first = capture(name);
    for end in 0..first.len() {
        assert_eq!(first_message::read(protocol, &first[..end]), FirstMessage::NeedMore, "{name} after {end} bytes");
    }
    match first_message::read(protocol, &first) {
        FirstMessage::Whole { identity, bytes } if bytes == first.len() => identity,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_client_says_who_it_is() {
    for (client, program) in POSTGRES {
        let identity = identity(Protocol::Postgres, &format!("postgres/{client}.first.bin"));
        assert_eq!((identity.user.as_str(), identity.database.as_str()), ("checkout", "orders"), "{client}");
        assert_eq!(identity.application_name, program, "{client}");
    }
    for client in MYSQL {
        let identity = identity(Protocol::Mysql, &format!("mysql/{client}.first.bin"));
        assert_eq!((identity.user.as_str(), identity.database.as_str()), ("m", "reports"), "{client}");
    }
}

#[test]
fn a_postgres_login_is_followed_to_its_end() {
    use postgres::cancel::CancelKey;
    use postgres::login::{Event, Login};
    let key = CancelKey { pid: 27650, secret: vec![95, 216, 124, 24] };
    let cases = [
        (
            "postgres/login-scram-15.server.bin",
            vec![Event::ProofWanted, Event::ServerId(27650), Event::CancelKey(key), Event::Ready],
        ),
        ("postgres/login-wrong-password-15.server.bin", vec![Event::ProofWanted, Event::Failed]),
    ];
    for (name, expected) in cases {
        for split in splits(&capture(name)) {
            let (mut login, mut events) = (Login::default(), Vec::new());
            for chunk in split {
                login.follow(chunk, |event| events.push(event));
            }
            assert_eq!((&events, login.is_over()), (&expected, true), "{name}");
        }
    }
}
