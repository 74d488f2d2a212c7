//! MySQL: the opening, the handshake response, the greeting; the login relay and the commands behind it in files of their own.

pub mod commands;
pub mod kill;
pub mod login;

use sluice_core::config::Greeting;
use sluice_core::mysql::kill::{FRONT_IDS, front_id};
use sluice_core::mysql::negotiation::Negotiation;
use sluice_core::mysql::packet::{self, HEADER_BYTES, framed};
use sluice_core::mysql::response::{self, Reading};
use sluice_core::mysql::{capability, greeting};
use sluice_core::negotiation::Move;

use crate::judge::assert_err_packet;
use crate::pieces::{Choices, Opened, opened};

/// However the opening is cut, the same moves; exactly one SSLRequest is taken, and plaintext passes only where it may.
pub fn negotiation(input: &[u8]) {
    let Opened { allowed, bytes, whole } = opened(input, Negotiation::new, Negotiation::look);
    assert_eq!(whole.replies, b"", "the front has spoken already");
    match whole.taken {
        0 => {}
        36 => assert_eq!((&bytes[..4], bytes[5] & 8), (&[32, 0, 0, 1][..], 8)),
        other => panic!("took {other} bytes"),
    }
    match &whole.last {
        Move::Pass if whole.taken == 36 => assert_eq!(bytes[36], 0x16),
        Move::Pass => assert!(allowed, "plaintext passes"),
        Move::Refuse(reply) => assert_err_packet(reply, 2),
        Move::Wait => assert!(bytes.len() - whole.taken < 36),
        other => panic!("{other:?}"),
    }
}

/// A response is decided once; what goes to the server says the same user and database, proves nothing and asks for no TLS.
pub fn response(input: &[u8]) {
    let mut decided = None;
    for end in 0..=input.len() {
        match (response::read(&input[..end]), &decided) {
            (Reading::NeedMore, None) => {}
            (Reading::Whole(response), None) => {
                assert_eq!(response.bytes, end, "whole with its last byte");
                decided = Some(Reading::Whole(response));
            }
            (now, None) => decided = Some(now),
            (now, Some(before)) => assert_eq!(now, *before, "changed its mind"),
        }
    }
    match decided {
        Some(Reading::Whole(response)) => {
            assert!(
                server_reads(&response.for_server, false)
                    == Some((&response.identity.user, &response.identity.database))
            );
            let Reading::Whole(again) = response::read(&framed(1, &response.for_server)) else { panic!("unreadable") };
            assert_eq!((again.for_server, again.identity), (response.for_server, response.identity));
            assert_eq!(again.capabilities, response.capabilities & !capability::SSL);
        }
        Some(Reading::Refused(refusal, sequence)) => assert_err_packet(&refusal.as_mysql(sequence), sequence),
        Some(Reading::NeedMore) | None => assert!(input.len() <= HEADER_BYTES + response::MAX_BYTES),
    }
}

/// User and database as a server finds them in a response with an empty proof; `None` where it bears one, or does not say of
/// TLS what it should.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html>
pub fn server_reads(payload: &[u8], over_tls: bool) -> Option<(&str, &str)> {
    let capabilities = u32::from_le_bytes(*payload.first_chunk()?);
    let mut words = payload.get(32..)?.split(|byte| *byte == 0);
    let user = std::str::from_utf8(words.next()?).ok()?;
    if (capabilities & capability::SSL != 0) != over_tls || !words.next()?.is_empty() {
        return None;
    }
    let named = capabilities & capability::CONNECT_WITH_DB != 0;
    let database = if named { std::str::from_utf8(words.next()?).ok()? } else { "" };
    (words.next()? == b"sluice_relay").then_some((user, database))
}

/// A greeting that was made is read as it was meant; an early error is passed on with its number.
pub fn greeting(input: &[u8]) {
    let _ = greeting::read(input);
    if let Some(refusal) = greeting::early_error(input) {
        assert_eq!(Some(&refusal.errno.to_le_bytes()[..]), input.get(1..3));
        assert_eq!(refusal.as_mysql(3).get(3..7), Some(&[&[3, 0xff], &input[1..3]].concat()[..]));
    }
    let mut choices = Choices(input);
    let (capabilities, mariadb_capabilities) = (choices.u32(), choices.u32());
    let collation = choices.byte();
    let mut salt = [0; 20];
    salt.iter_mut().for_each(|byte| *byte = choices.byte());
    let version = String::from_utf8_lossy(choices.0).replace('\0', "");
    let config = Greeting { version, capabilities, mariadb_capabilities, collation };
    let made = greeting::make(&config, salt, front_id([7; 4]));
    let read = greeting::read(&made[4..]).expect("readable");
    assert_eq!((read.capabilities, read.mariadb_capabilities), greeting::offered(&config));
    assert!(FRONT_IDS.contains(&read.connection_id));
    assert_eq!(read.capabilities & capability::NEVER, 0);
}

/// The whole packets in `bytes`, as (number, payload).
pub fn packets(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut packets = Vec::new();
    while let Some((length, number)) = packet::header(bytes) {
        let Some(payload) = bytes.get(HEADER_BYTES..HEADER_BYTES + length) else { break };
        packets.push((number, payload));
        bytes = &bytes[HEADER_BYTES + length..];
    }
    packets
}
