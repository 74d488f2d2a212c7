//! KILLs in any number, where the brain can be asked and where it can't.

use sluice_core::mysql::packet::framed;

use super::scenes::mysql_session;
use crate::mysql::packets;

const MANY: usize = 20_000;
const PING: &[u8] = b"\x01\0\0\0\x0e";

/// COM_PROCESS_KILL of a session of the front's, `count` times.
fn kills(count: usize) -> Vec<u8> {
    framed(0, &[&[0x0c][..], &0xe000_0001_u32.to_le_bytes()].concat()).repeat(count)
}

#[test]
fn where_nobody_can_be_asked_any_number_of_kills_is_answered_one_by_one() {
    let mut played = mysql_session("grant");
    let before = played.world.to_server.borrow().len();
    played.world.brain_is_there.set(false);
    played.client_sends(&[kills(MANY), PING.to_vec()].concat());
    let to_server = played.world.to_server.borrow();
    let passed = packets(&to_server[before..]);
    assert_eq!(passed.len(), MANY + 1);
    let (ping, signals) = passed.split_last().expect("packets");
    assert!(
        signals.iter().all(|(number, payload)| *number == 0 && payload.starts_with(b"\x03SIGNAL SQLSTATE 'HY000'"))
    );
    assert_eq!(*ping, (0, &b"\x0e"[..]));
}

#[test]
fn kills_that_can_be_asked_about_are_asked_about_one_after_the_other() {
    let mut played = mysql_session("grant");
    let before = played.world.to_server.borrow().len();
    played.client_sends(&[kills(1_000), PING.to_vec()].concat());
    assert_eq!(played.world.to_server.borrow().len(), before);
    for _ in 0..1_000 {
        played.world.answers(Some(b"\0\0\0\0\x02\x08\x07"));
    }
    let to_server = played.world.to_server.borrow();
    let expected = [framed(0, b"\x0c\x07\0\0\0").repeat(1_000), PING.to_vec()].concat();
    assert!(to_server[before..] == expected);
}
