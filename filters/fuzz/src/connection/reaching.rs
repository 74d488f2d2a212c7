//! The way to the server, and its deadline: the grant's end and, here, not a moment more.

use super::mysql::{response, server_greeting};
use super::played::Played;
use super::scenes::{SCRAM, STARTUP, opened_for};
use crate::envoy::{Place, Way};

const LOOK_UPSTREAM: u64 = 2;
const GRANT_MS: u64 = 50;
/// As `session/reaching.rs` has it.
const LATE_MS: u64 = 100;

const PROTOCOLS: [&str; 2] = ["postgres", "mysql"];

fn granted(protocol: &'static str) -> Played {
    let startup = if protocol == "postgres" { STARTUP.to_vec() } else { response() };
    opened_for(protocol, &startup, "grant", GRANT_MS as f64, false)
}

/// Until the grant has been over for `over_ms`.
fn wait(over_ms: u64) {
    std::thread::sleep(std::time::Duration::from_millis(GRANT_MS + over_ms + 1));
}

fn looked(played: &Played, way: Way) {
    played.world.way.set(way);
    played.world.rings(Place::Session, LOOK_UPSTREAM);
}

fn last_words(played: &Played) -> String {
    String::from_utf8_lossy(&played.world.to_client.borrow()).into_owned()
}

#[test]
fn a_connection_that_does_not_stand_when_the_grant_is_over_is_given_up() {
    for protocol in PROTOCOLS {
        let played = granted(protocol);
        looked(&played, Way::Pending);
        assert!(played.world.is_open(), "there is time");
        wait(0);
        looked(&played, Way::Pending);
        assert!(last_words(&played).contains("the database could not be reached"), "{}", last_words(&played));
        assert_eq!(played.world.closed.borrow().as_deref(), Some("sluice_upstream_failed"));
    }
}

#[test]
fn one_that_stood_in_time_may_take_as_long_as_it_likes_from_there() {
    for protocol in PROTOCOLS {
        let mut played = granted(protocol);
        looked(&played, Way::Connected);
        wait(LATE_MS);
        looked(&played, Way::Connected);
        played.server_sends(if protocol == "postgres" { SCRAM.to_vec() } else { server_greeting() }.as_slice());
        assert!(played.world.is_open());
    }
}

#[test]
fn one_that_nobody_has_seen_stand_until_long_after_is_left() {
    for protocol in PROTOCOLS {
        let played = granted(protocol);
        wait(LATE_MS);
        looked(&played, Way::Connected);
        assert!(last_words(&played).contains("this node has stood still while you logged in"));
        assert_eq!(played.world.closed.borrow().as_deref(), Some("sluice_stood_still"));
    }
}

#[test]
fn so_is_one_whose_server_speaks_before_anybody_has_looked_and_its_words_stay_here() {
    for protocol in PROTOCOLS {
        let mut played = granted(protocol);
        wait(LATE_MS);
        played.world.way.set(Way::Connected);
        played.world.server_sends(b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0", false);
        played.world.turn();
        let words = last_words(&played);
        assert!(words.contains("this node has stood still") && !words.contains("SCRAM"), "{words}");
        assert!(!played.world.is_open());
        played.client_sends(b"p\0\0\0\x05x");
    }
}

#[test]
fn a_server_that_has_spoken_in_time_may_take_its_time_over_tls() {
    let mut played = opened_for("postgres", STARTUP, "grant", GRANT_MS as f64, true);
    played.world.way.set(Way::Connected);
    played.server_sends(b"S");
    played.world.turn();
    wait(LATE_MS);
    looked(&played, Way::Connected);
    assert!(played.world.is_open(), "{}", last_words(&played));
}
