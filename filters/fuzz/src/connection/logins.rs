//! What the brain is told of logins, by whichever session tells.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sluice_core::mysql::packet::framed;

use super::mysql::response;
use super::played::Played;
use super::scenes::{FRONT_ID, begun, log_in, mysql, mysql_session, postgres, postgres_session};
use crate::envoy::{Fact, Login, Place};

const REPORT: u64 = 3;
const LIMITS: u64 = 4;
const TELL: u64 = 9;
const AGAIN: Duration = Duration::from_millis(600);
/// Of one session, that are not answered.
const MOST_UNDER_WAY: usize = 4;
const KEY: &[u8] = b"K\0\0\0\x0c\0\0\x01\x2csecr";

/// The book is the process's: one of these tests at a time has it. Others log in too, but none of their alarms rings.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn id(played: &Played) -> String {
    let Some(Fact::Text(id)) = played.world.fact("connection") else { panic!("no id") };
    id
}

/// It tells when it is time, if nobody else does.
fn rings(teller: &Played) {
    teller.world.rings(Place::Session, REPORT);
    teller.world.rings(Place::Session, TELL);
}

/// Whom `teller` has told of `count` times when it has told as often of `of`.
fn tells(teller: &Played, of: &Played, count: usize) -> Vec<Login> {
    let (of, since) = (id(of), Instant::now());
    while teller.world.told_of(&of).len() < count {
        assert!(since.elapsed() < Duration::from_secs(20), "nobody is told");
        rings(teller);
        std::thread::yield_now();
    }
    teller.world.told_of(&of)
}

/// Whether `teller` tells of `of` while it may.
fn does_tell(teller: &Played, of: &Played) -> bool {
    let since = Instant::now();
    while since.elapsed() < AGAIN {
        rings(teller);
        std::thread::yield_now();
    }
    !teller.world.told_of(&id(of)).is_empty()
}

/// A MySQL session that was let in for more than KILL.
fn session() -> Played {
    mysql_session("grant")
}

#[test]
fn a_login_is_told_as_it_is_reported_and_once_more() {
    let _alone = alone();
    let since = Instant::now();
    let played = postgres_session(KEY);
    let Some(Fact::Text(cancel_digest)) = played.world.fact("cancel_digest") else { panic!("no digest") };
    let expected = Login { connection: id(&played), server_id: 300, front_id: 0, cancel_digest };
    assert_eq!(tells(&played, &played, 1), std::slice::from_ref(&expected));
    assert_eq!(tells(&played, &played, 2), [expected.clone(), expected]);
    assert!(since.elapsed() >= AGAIN, "{:?}", since.elapsed());

    let played = session();
    let expected = Login { connection: id(&played), server_id: 7, front_id: FRONT_ID, cancel_digest: String::new() };
    assert_eq!(tells(&played, &played, 1), [expected]);
}

#[test]
fn a_session_that_nobody_could_know_by_it_is_not_told() {
    let _alone = alone();
    let (unnamed, mut teller) = (postgres_session(b""), session());
    tells(&teller, &teller, 1);
    assert!(teller.world.told_of(&id(&unnamed)).is_empty());
    // Nor is a second login of a session that was told.
    teller.client_sends(&framed(0, b"\x11m\0\0\0\x2d\0mysql_native_password\0"));
    teller.server_sends(&framed(1, b"\0\0\0\x02\0\0\0"));
    let next = session();
    tells(&teller, &next, 1);
    assert_eq!(teller.world.told_of(&id(&teller)).len(), 1);
}

#[test]
fn who_is_over_has_failed_or_may_only_kill_is_not_told() {
    let _alone = alone();
    let others: [fn() -> Played; 7] = [
        || mysql_session("kill"),
        || {
            let mut failed = postgres();
            failed.server_sends(&[KEY, b"E\0\0\0\x0fSFATAL\0C28P01\0\0"].concat());
            failed
        },
        || {
            let mut failed = mysql("grant");
            failed.client_sends(&framed(4, b"proofproofproofproof"));
            failed.server_sends(&framed(4, b"\xff\x15\x04#28000no"));
            failed
        },
        || {
            let gone = session();
            gone.world.envoy_closes();
            gone
        },
        || {
            // Nobody reads, so its end waits; its server's has come.
            let ending = postgres_session(KEY);
            ending.world.client_reads.set(false);
            ending.world.server_sends(b"", true);
            ending
        },
        || {
            let mut refused = session();
            refused.world.client_reads.set(false);
            refused.client_sends(&framed(0, b"\x11somebody else\0\0\0\x2d\0mysql_native_password\0"));
            assert!(refused.world.is_closing());
            refused
        },
        || {
            let mut leaving = begun("mysql", &response());
            leaving.world.says("max_age_ms", Fact::Number(1.0));
            leaving.grant("grant", "service/known", 600_000.0, false);
            log_in(&mut leaving);
            while leaving.world.fact("ended_by").is_none() {
                leaving.world.rings(Place::Session, LIMITS);
            }
            assert!(leaving.world.is_open());
            leaving
        },
    ];
    let others = others.map(|other| other());
    let teller = session();
    tells(&teller, &teller, 1);
    for (at, other) in others.iter().enumerate() {
        assert!(teller.world.told_of(&id(other)).is_empty(), "the one at {at}");
    }
}

#[test]
fn where_the_teller_ends_whoever_is_there_goes_on() {
    let _alone = alone();
    let (first, second) = (session(), session());
    // One of both is told by the other.
    let since = Instant::now();
    while first.world.told_of(&id(&second)).is_empty() {
        assert!(since.elapsed() < Duration::from_secs(20), "nobody is told");
        rings(&first);
    }
    first.world.envoy_closes();
    assert_eq!(tells(&second, &second, 1).len(), 1);
    assert!(second.world.told_of(&id(&first)).is_empty());
}

#[test]
fn what_nobody_hears_counts_as_told() {
    let _alone = alone();
    let played = session();
    played.world.brain_is_there.set(false);
    tells(&played, &played, 1);
    let next = session();
    tells(&played, &next, 1);
    assert_eq!(played.world.told_of(&id(&played)).len(), 1);
}

#[test]
fn a_brain_that_answers_nobody_is_told_a_few_times_by_one() {
    let _alone = alone();
    let teller = session();
    let told: Vec<_> = (0..MOST_UNDER_WAY)
        .map(|_| {
            let other = session();
            tells(&teller, &other, 1);
            // Or it would be told again.
            other.world.envoy_closes();
            other
        })
        .collect();
    let last = session();
    assert!(!does_tell(&teller, &last), "behind {}", told.len());
    teller.world.answers(None);
    tells(&teller, &last, 1);
}

#[test]
fn the_answer_to_a_telling_answers_no_kill() {
    let _alone = alone();
    let mut played = session();
    tells(&played, &played, 1);
    let sent = played.world.to_server.borrow().len();
    played.client_sends(&framed(0, &[&[0x0c][..], &0xe000_0001_u32.to_le_bytes()].concat()));
    assert!(played.world.has_asked_of_kill());
    played.world.answers(Some(b"\0\0\0\0\x02\x08\x09"));
    assert_eq!(played.world.to_server.borrow().len(), sent, "it is held");
    played.world.answers(Some(b"\0\0\0\0\x02\x08\x07"));
    assert_eq!(played.world.to_server.borrow()[sent..], framed(0, b"\x0c\x07\0\0\0"));
}
