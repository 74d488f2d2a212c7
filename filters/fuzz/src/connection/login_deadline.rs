//! Logins that stand still, until their deadline rings and behind it.

use std::collections::BTreeMap;

use sluice_core::mysql::packet::framed;

use super::mysql::response;
use super::played::Played;
use super::scenes::{SCRAM, STARTUP, SWITCH, mysql, opened, postgres};
use crate::envoy::{Fact, Place, Way};
use crate::judge::{assert_err_packet, assert_error_response};

const OVERDUE: u64 = 5;
const LOGIN_OVERDUE: u64 = 7;
/// The server has not closed.
const LEAVE_OVER: u64 = 8;

/// What the client reads because the deadline has rung.
fn told_by_deadline(played: &Played) -> Vec<u8> {
    let before = played.world.to_client.borrow().len();
    played.world.rings(Place::Session, LOGIN_OVERDUE);
    played.world.turn();
    played.world.to_client.borrow()[before..].to_vec()
}

/// The server was told that nothing follows, not a byte more, and closes.
fn assert_ends_with_its_server(played: &Played, sent: usize) {
    let world = &played.world;
    assert!(world.is_open() && world.server_left.get());
    assert_eq!(world.to_server.borrow().len(), sent);
    let ended = Some(Fact::Text("login_deadline".to_owned()));
    assert_eq!((world.fact("ended_by"), world.fact("server_closed")), (ended, None));
    world.server_sends(b"too late", false);
    world.server_sends(b"", true);
    world.turn();
    assert_eq!(world.fact("server_closed"), Some(Fact::Flag(true)));
    assert_eq!(world.closed.borrow().as_deref(), Some("sluice_login_deadline"));
    assert!(!world.to_client.borrow().ends_with(b"too late"));
}

/// The alarm may ring behind the login's end, and nobody notices.
fn assert_goes_on(played: &mut Played, asked: &[u8]) {
    assert_eq!(told_by_deadline(played), b"");
    assert!(played.world.is_open() && !played.world.server_left.get());
    assert_eq!(played.world.fact("ended_by"), None);
    played.client_sends(asked);
    assert!(played.world.to_server.borrow().ends_with(asked));
}

#[test]
fn a_postgres_client_that_leaves_the_password_open_reads_why_and_its_server_closes() {
    let mut played = postgres();
    played.server_sends(SCRAM);
    let told = told_by_deadline(&played);
    assert_error_response(&told);
    assert!(
        String::from_utf8_lossy(&told).contains("C57014\0Mthe database has not accepted the login within 600000 ms")
    );
    assert_eq!(played.world.fact("login"), None);
    assert_ends_with_its_server(&played, STARTUP.len());
}

#[test]
fn a_server_that_never_answers_is_left_too() {
    let played = postgres();
    assert_error_response(&told_by_deadline(&played));
    assert!(played.world.server_left.get());
    played.world.rings(Place::Session, LEAVE_OVER);
    assert_eq!(played.world.closed.borrow().as_deref(), Some("sluice_login_deadline"));
}

#[test]
fn amid_a_message_of_the_server_nothing_is_said() {
    let mut played = postgres();
    played.server_sends(&SCRAM[..9]);
    assert_eq!(told_by_deadline(&played), b"");
    assert_ends_with_its_server(&played, STARTUP.len());
}

#[test]
fn who_has_read_that_the_login_failed_reads_nothing_more() {
    let mut played = postgres();
    played.server_sends(b"E\0\0\0\x0fSFATAL\0C28P01\0\0");
    played.world.rings(Place::Session, OVERDUE);
    assert_eq!(told_by_deadline(&played), b"");
    assert_eq!(played.world.fact("login"), Some(Fact::Text("failed".to_owned())));
    assert_ends_with_its_server(&played, STARTUP.len());
}

#[test]
fn a_postgres_session_outlives_the_deadline_of_its_login() {
    let mut played = postgres();
    played.server_sends(b"R\0\0\0\x08\0\0\0\0");
    played.server_sends(b"Z\0\0\0\x05I");
    assert_goes_on(&mut played, b"Q\0\0\0\x06;\0");
}

#[test]
fn a_mysql_client_that_stands_still_in_the_switch_of_its_plugin_reads_the_answer_to_its_proof() {
    for verdict in ["grant", "kill"] {
        let mut played = mysql(verdict);
        let sent = played.world.to_server.borrow().len();
        let told = told_by_deadline(&played);
        // The switch was packet 3, the proof is to be 4.
        assert_err_packet(&told, 5);
        assert_eq!(u16::from_le_bytes([told[5], told[6]]), 1159);
        assert_eq!(played.world.fact("login"), None);
        assert_ends_with_its_server(&played, sent);
        played.client_sends(&framed(4, b"proofproofproofproof"));
        assert_eq!(played.world.to_server.borrow().len(), sent);
    }
}

#[test]
fn a_mysql_session_outlives_the_deadline_of_its_login_and_so_does_a_change_of_its_user() {
    let mut played = mysql("grant");
    played.client_sends(&framed(4, b"proofproofproofproof"));
    played.server_sends(&framed(4, b"\0\0\0\x02\0\0\0"));
    assert_goes_on(&mut played, &framed(0, b"\x0e"));
    played.server_sends(&framed(1, b"\0\0\0\x02\0\0\0"));
    played.client_sends(&framed(0, b"\x11m\0\0\0\x2d\0mysql_native_password\0"));
    played.server_sends(&framed(1, SWITCH));
    assert_goes_on(&mut played, b"");
}

#[test]
fn of_a_server_that_is_not_there_yet_nothing_is_awaited() {
    let played = opened("postgres", STARTUP, "grant", false);
    assert_error_response(&told_by_deadline(&played));
    assert_eq!(played.world.closed.borrow().as_deref(), Some("sluice_login_deadline"));
}

#[test]
fn a_server_that_falls_silent_over_tls_is_blamed_for_it() {
    for (protocol, startup) in [("postgres", STARTUP.to_vec()), ("mysql", response())] {
        let played = opened(protocol, &startup, "grant", true);
        played.world.way.set(Way::Connected);
        let told = told_by_deadline(&played);
        assert!(String::from_utf8_lossy(&told).contains("the database took too long over TLS"), "{protocol}: {told:?}");
        assert_eq!(played.world.closed.borrow().as_deref(), Some("sluice_upstream_failed"));
        assert_eq!(played.world.fact("ended_by"), None);
    }
}

#[test]
fn before_a_verdict_there_is_no_deadline() {
    let mut played = Played::new("postgres", true, 64, BTreeMap::new());
    played.client_sends(STARTUP);
    assert_eq!(told_by_deadline(&played), b"");
    assert!(played.world.is_open());
}
