//! The end of a connection reaches its filter, whatever it is doing then, and nothing reaches the connection behind it.

use sluice_core::mysql::packet::framed;

use super::mysql::{response, server_greeting};
use super::played::Played;
use super::scenes::{STARTUP, begun, log_in, mysql_session, opened, postgres};
use crate::envoy::{Deed, Fact, Place, Way};
use crate::judge::assert_error_response;

/// Of `startup`.
const DEADLINE: u64 = 1;
const LIMITS: u64 = 4;
const KILL_OVER: u64 = 6;

/// How many queries the brain has been told of.
fn queries(played: &Played) -> usize {
    let Some(Fact::Text(activity)) = played.world.fact("activity") else { panic!("no login") };
    activity.split(' ').nth(3).expect("queries").parse().expect("a number")
}

/// A MySQL session with a query that the brain has not been told of yet.
fn with_a_query() -> Played {
    let mut played = mysql_session("grant");
    played.client_sends(&framed(0, b"\x03DO 1"));
    played.server_sends(&framed(1, b"\0\0\0\x02\0\0\0"));
    assert_eq!(queries(&played), 0);
    played
}

fn kill() -> Vec<u8> {
    framed(0, &[&[0x0c][..], &0xe000_0001_u32.to_le_bytes()].concat())
}

#[test]
fn a_session_that_closes_itself_is_told_of_its_end() {
    let mut played = with_a_query();
    played.client_sends(&framed(0, b"\x11somebody else\0\0\0\x2d\0mysql_native_password\0"));
    assert_eq!(played.world.closed.borrow().as_deref(), Some("sluice_session_refused"));
    assert_eq!(queries(&played), 1);
}

#[test]
fn a_session_that_dies_as_it_speaks_or_sends_is_told_of_its_end() {
    let mut played = with_a_query();
    played.world.dies_in.set(Some(Deed::Speak));
    played.client_sends(&framed(0, b"\x11somebody else\0\0\0\x2d\0mysql_native_password\0"));
    assert_eq!((played.world.closed.borrow().as_deref(), queries(&played)), (Some("died"), 1));

    let mut played = with_a_query();
    played.client_sends(&kill());
    played.world.dies_in.set(Some(Deed::SendUpstream));
    played.world.answers(None);
    assert_eq!((played.world.closed.borrow().as_deref(), queries(&played)), (Some("died"), 2), "its KILL is one");
}

/// A session that rests for long enough to be called.
fn resting() -> Played {
    let mut played = begun("mysql", &response());
    played.world.says("surplus_ms", Fact::Number(1.0));
    played.grant("grant", "service/known", 600_000.0, false);
    log_in(&mut played);
    let since_ms = sluice_abi::monotonic_ms();
    while sluice_abi::monotonic_ms() < since_ms + 3 {
        std::thread::yield_now();
    }
    played
}

#[test]
fn where_who_asks_for_all_closes_itself_the_next_one_asks() {
    let (mut first, second) = (resting(), resting());
    first.world.rings(Place::Session, LIMITS);
    assert!(first.world.is_asking());
    second.world.rings(Place::Session, LIMITS);
    assert!(!second.world.is_asking());
    first.client_sends(&framed(0, b"\x11somebody else\0\0\0\x2d\0mysql_native_password\0"));
    second.world.rings(Place::Session, LIMITS);
    assert!(second.world.is_asking());
}

#[test]
fn a_client_that_leaves_before_tls_to_the_server_is_started_has_left() {
    for (protocol, startup, answer) in
        [("postgres", STARTUP.to_vec(), b"S".to_vec()), ("mysql", response(), server_greeting())]
    {
        let mut played = opened(protocol, &startup, "grant", true);
        played.world.way.set(Way::Connected);
        played.world.client_sends(b"", true);
        played.server_sends(&answer);
        assert_eq!(played.world.closed.borrow().as_deref(), Some("sluice_client_left"), "{protocol}");
        assert_eq!((played.world.server_left.get(), played.world.in_clear.get()), (false, None), "{protocol}");
    }
}

#[test]
fn the_end_of_a_client_that_leaves_behind_that_comes_behind_its_bytes() {
    for (protocol, startup, answer) in
        [("postgres", STARTUP.to_vec(), b"S".to_vec()), ("mysql", response(), server_greeting())]
    {
        let mut played = opened(protocol, &startup, "grant", true);
        played.world.way.set(Way::Connected);
        played.server_sends(&answer);
        let sent = played.world.to_server.borrow().len();
        assert!(played.world.in_clear.get().is_some_and(|in_clear| in_clear < sent), "{protocol}");
        played.world.client_sends(b"", true);
        assert!(played.world.is_open() && played.world.server_left.get(), "{protocol}");
    }
}

#[test]
fn behind_the_end_of_its_client_a_server_is_told_no_goodbye() {
    let mut played = mysql_session("kill");
    played.client_sends(&kill());
    played.world.client_sends(b"", true);
    assert!(!played.world.server_left.get());
    played.world.answers(None);
    assert!(played.world.server_left.get());
    let sent = played.world.to_server.borrow().len();
    played.world.rings(Place::Session, KILL_OVER);
    assert!(played.world.is_open());
    assert_eq!(played.world.to_server.borrow().len(), sent);
}

/// Silent, garbage, and a check that is held when more comes than may.
const BEGINNINGS: [&[&[u8]]; 3] = [&[], &[b"\0\0\0\x09\0\x03\0\0x"], &[STARTUP, &[0; 17_000]]];

#[test]
fn a_client_that_does_not_read_why_its_startup_is_refused_is_cut() {
    for begins in BEGINNINGS {
        let mut played = Played::new("postgres", true, 64, Default::default());
        played.world.client_reads.set(false);
        begins.iter().for_each(|bytes| played.client_sends(bytes));
        played.world.rings(Place::Startup, DEADLINE);
        assert!(played.world.is_closing());
        assert_error_response(&played.world.to_client.borrow());
        played.world.rings(Place::Startup, DEADLINE);
        assert_error_response(&played.world.to_client.borrow());
        played.world.rings(Place::Startup, u64::MAX);
        assert_eq!(played.world.closed.borrow().as_deref(), Some("sluice_linger_over"));
    }
}

#[test]
fn behind_its_end_nothing_is_done_whatever_rings_and_whatever_is_answered() {
    let all = [Place::Startup, Place::Session];
    let ends: [fn() -> Played; 6] = [
        || Played::new("postgres", true, 64, Default::default()),
        with_a_query,
        postgres,
        || mysql_session("kill"),
        || {
            let mut played = with_a_query();
            played.client_sends(&kill());
            played
        },
        || {
            let mut played = Played::new("postgres", true, 64, Default::default());
            played.client_sends(STARTUP);
            played
        },
    ];
    for end in ends {
        let played = end();
        played.world.envoy_closes();
        let (facts, to_client) = (played.world.facts.borrow().clone(), played.world.to_client.borrow().clone());
        for place in all {
            (0..10).chain([u64::MAX]).for_each(|event| played.world.rings(place, event));
        }
        played.world.way.set(Way::Failed);
        played.world.answers(Some(b"\0\0\0\0\x02\x08\x07"));
        played.world.turn();
        assert_eq!((&*played.world.facts.borrow(), &*played.world.to_client.borrow()), (&facts, &to_client));
    }
}
