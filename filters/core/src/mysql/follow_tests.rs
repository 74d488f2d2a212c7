use std::cell::Cell;

use super::*;
use crate::mysql::packet::CONTINUES;
use crate::mysql::packet::framed;
use crate::tally::Counts;

const AUTOCOMMIT: u16 = 2;
const IN_TRANSACTION: u16 = AUTOCOMMIT | status::IN_TRANSACTION;
const MORE: u16 = AUTOCOMMIT | status::MORE_RESULTS;
const CURSOR: u16 = AUTOCOMMIT | status::CURSOR_EXISTS;

const QUERY: u8 = 0x03;
const PING: u8 = 0x0e;
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
const FETCH: u8 = 0x1c;

fn ok(status: u16) -> Vec<u8> {
    let [low, high] = status.to_le_bytes();
    vec![OK, 0xfc, 1, 1, 0, low, high, 0, 0]
}

fn eof(status: u16) -> Vec<u8> {
    let [low, high] = status.to_le_bytes();
    vec![EOF, 0, 0, low, high]
}

/// An OK packet at the end of rows.
fn end(status: u16) -> Vec<u8> {
    let mut end = ok(status);
    end[0] = EOF;
    end
}

fn err() -> Vec<u8> {
    b"\xff\x28\x04#42000no".to_vec()
}

fn definition() -> Vec<u8> {
    b"\x03def and so on and so on".to_vec()
}

fn row() -> Vec<u8> {
    b"\x021\x30\xfb".to_vec()
}

fn prepared(columns: u8, parameters: u8) -> Vec<u8> {
    vec![OK, 1, 0, 0, 0, columns, 0, parameters, 0, 0, 0, 0]
}

struct Session {
    follow: Follow,
    now_us: Cell<u64>,
    times: Vec<u64>,
    piece: usize,
}

impl Session {
    fn new(wire: Wire, piece: usize) -> Self {
        let mut follow = Follow::new(Some(wire));
        follow.logged_in(0, |_| {});
        Self { follow, now_us: Cell::new(0), times: Vec::new(), piece }
    }

    fn tick(now_us: &Cell<u64>) -> u64 {
        now_us.set(now_us.get() + 1_000);
        now_us.get()
    }

    fn asks(&mut self, commands: &[u8]) -> &mut Self {
        for &command in commands {
            let now_us = &self.now_us;
            self.follow.client_sent(Started { command, may_be_file: false }, || Self::tick(now_us));
        }
        self
    }

    fn reads(&mut self, packets: &[Vec<u8>]) -> &mut Self {
        let bytes = packets.iter().flat_map(|payload| framed(1, payload)).collect::<Vec<_>>();
        for chunk in bytes.chunks(self.piece) {
            let now_us = &self.now_us;
            self.follow.server_sent(chunk, || Self::tick(now_us), |took| self.times.push(took));
        }
        self
    }

    fn state(&self) -> State {
        self.follow.tally().state()
    }
}

const OLD: Wire = Wire { deprecate_eof: false, optional_metadata: false, cache_metadata: false };
const NEW: Wire = Wire { deprecate_eof: true, ..OLD };
const CACHING: Wire = Wire { cache_metadata: true, ..NEW };
const OPTIONAL: Wire = Wire { optional_metadata: true, ..NEW };

/// Commands, and for each part of the answer the state behind it; however the server's bytes are cut.
fn follows(wire: Wire, commands: &[u8], parts: &[(&[Vec<u8>], State)]) {
    for piece in [1, 2, 3, 5, 7, 1 << 20] {
        let mut session = Session::new(wire, piece);
        session.asks(commands);
        assert_eq!(session.state(), State::Active);
        for (at, (packets, expected)) in parts.iter().enumerate() {
            session.reads(packets);
            assert_eq!(session.state(), *expected, "part {at} in pieces of {piece}");
        }
    }
}

#[test]
fn the_status_of_an_answer_is_the_state() {
    follows(NEW, &[QUERY], &[(&[ok(AUTOCOMMIT)], State::Idle)]);
    follows(NEW, &[QUERY], &[(&[ok(IN_TRANSACTION)], State::Transaction)]);
    follows(NEW, &[PING], &[(&[ok(0)], State::Idle)]);
    follows(OLD, &[0x1b], &[(&[eof(IN_TRANSACTION)], State::Transaction)]);
    follows(NEW, &[0x1b], &[(&[end(IN_TRANSACTION)], State::Transaction)]);
    follows(NEW, &[0x09], &[(&[b"Uptime: 1".to_vec()], State::Idle)]);
}

#[test]
fn a_result_ends_with_its_rows() {
    let (two, defined) = (vec![2], [definition(), definition()].to_vec());
    let rows = [row(), row(), row()].to_vec();
    follows(
        OLD,
        &[QUERY],
        &[
            (std::slice::from_ref(&two), State::Active),
            (&defined, State::Active),
            (&[eof(AUTOCOMMIT)], State::Active),
            (&rows, State::Active),
            (&[eof(IN_TRANSACTION)], State::Transaction),
        ],
    );
    follows(
        NEW,
        &[EXECUTE],
        &[
            (&[two], State::Active),
            (&defined, State::Active),
            (&rows, State::Active),
            (&[end(AUTOCOMMIT)], State::Idle),
        ],
    );
}

#[test]
fn a_result_can_come_without_its_definitions() {
    follows(CACHING, &[EXECUTE], &[(&[vec![2, 0], row()], State::Active), (&[end(AUTOCOMMIT)], State::Idle)]);
    follows(
        CACHING,
        &[EXECUTE],
        &[(&[vec![1, 1], definition(), row()], State::Active), (&[end(AUTOCOMMIT)], State::Idle)],
    );
    follows(OPTIONAL, &[QUERY], &[(&[vec![0, 2], row()], State::Active), (&[end(AUTOCOMMIT)], State::Idle)]);
    follows(OPTIONAL, &[QUERY], &[(&[vec![1, 1], definition(), row()], State::Active), (&[end(2)], State::Idle)]);
    follows(OPTIONAL, &[QUERY], &[(&[ok(AUTOCOMMIT)], State::Idle)]);
}

#[test]
fn further_results_follow_as_long_as_the_server_says_so() {
    let first = [vec![1], definition(), row(), end(MORE)].to_vec();
    follows(NEW, &[QUERY], &[(&first, State::Active), (&[ok(MORE)], State::Active), (&[ok(AUTOCOMMIT)], State::Idle)]);
    follows(NEW, &[QUERY], &[(&first, State::Active), (&[err()], State::Idle)]);
}

#[test]
fn behind_what_a_procedure_gives_back_its_answer_follows() {
    let given = [vec![1], definition(), eof(MORE | status::OUT_PARAMETERS), row()].to_vec();
    for last in [AUTOCOMMIT, MORE] {
        follows(
            OLD,
            &[EXECUTE],
            &[(&given, State::Active), (&[eof(last)], State::Active), (&[ok(AUTOCOMMIT)], State::Idle)],
        );
    }
}

#[test]
fn what_is_prepared_comes_with_its_definitions() {
    let d = definition();
    follows(OLD, &[PREPARE], &[(&[prepared(0, 0)], State::Idle)]);
    follows(
        OLD,
        &[PREPARE],
        &[(&[prepared(1, 2), d.clone(), d.clone(), eof(2), d.clone()], State::Active), (&[eof(2)], State::Idle)],
    );
    follows(OLD, &[PREPARE], &[(&[prepared(0, 1), d.clone()], State::Active), (&[eof(2)], State::Idle)]);
    follows(NEW, &[PREPARE], &[(&[prepared(1, 1), d.clone()], State::Active), (std::slice::from_ref(&d), State::Idle)]);
    follows(NEW, &[PREPARE], &[(&[prepared(2, 0), d.clone()], State::Active), (&[d], State::Idle)]);
    follows(NEW, &[PREPARE], &[(&[err()], State::Idle)]);
}

#[test]
fn a_cursor_is_open_without_rows_and_read_by_fetch() {
    follows(OLD, &[EXECUTE], &[(&[vec![1], definition()], State::Active), (&[eof(CURSOR)], State::Idle)]);
    follows(NEW, &[EXECUTE], &[(&[vec![1], definition()], State::Active), (&[end(CURSOR)], State::Idle)]);
    follows(OLD, &[FETCH], &[(&[row(), row()], State::Active), (&[eof(CURSOR)], State::Idle)]);
    follows(NEW, &[FETCH], &[(&[err()], State::Idle)]);
}

#[test]
fn a_row_can_begin_like_an_end() {
    let long = [vec![EOF, 0, 0, 0, 1, 0, 0, 0, 0], vec![b'x'; 20]].concat();
    follows(OLD, &[QUERY], &[(&[vec![1], definition(), eof(2), long], State::Active), (&[eof(2)], State::Idle)]);
}

#[test]
fn a_packet_of_16_mb_goes_on_in_the_next() {
    let mut long = vec![b'x'; CONTINUES as usize];
    long[0] = EOF;
    for rest in [vec![], vec![ERR; 9], end(IN_TRANSACTION)] {
        let mut session = Session::new(NEW, 16_384);
        session.asks(&[QUERY]).reads(&[vec![1], definition(), long.clone()]);
        assert!(!session.follow.is_between_packets());
        session.reads(&[rest, row()]);
        assert_eq!(session.state(), State::Active);
        session.reads(&[end(AUTOCOMMIT)]);
        assert_eq!(session.state(), State::Idle);
    }
}

#[test]
fn a_file_belongs_to_the_query_that_asked_for_it() {
    let mut session = Session::new(NEW, 1);
    session.asks(&[QUERY]).reads(&[b"\xfb/tmp/file".to_vec()]);
    let piece = Started { command: QUERY, may_be_file: true };
    session.follow.client_sent(piece, || 0);
    session.reads(&[ok(AUTOCOMMIT)]);
    assert_eq!(session.state(), State::Idle);
    assert_eq!(session.follow.tally().counts(), Counts { transactions: 1, queries: 1, errors: 0 });
    session.follow.client_sent(piece, || 0);
    assert_eq!(session.state(), State::Active, "nobody has asked for this one");
}

#[test]
fn commands_sent_ahead_are_answered_in_their_order() {
    let mut session = Session::new(NEW, 3);
    session.asks(&[PREPARE, EXECUTE, PING, QUERY, QUERY, 0x19]);
    session.reads(&[prepared(1, 0), definition(), vec![1], definition(), row(), end(2), ok(2), ok(2)]);
    assert_eq!(session.state(), State::Active);
    session.reads(&[ok(2)]);
    assert_eq!((session.state(), session.follow.tally().counts().transactions), (State::Idle, 3));
}

#[test]
fn what_nobody_answers_changes_nothing() {
    let mut session = Session::new(NEW, 1);
    session.asks(&[0x19, 0x18, 0x01]);
    assert_eq!(session.state(), State::Idle);
}

#[test]
fn a_progress_report_is_no_error() {
    let progress = b"\xff\xff\xff\x01\x01\x02\0\0\0\x04copy".to_vec();
    follows(NEW, &[QUERY], &[(&[progress.clone(), progress], State::Active), (&[ok(2)], State::Idle)]);
}

#[test]
fn a_transaction_is_what_lies_between_two_idle_states() {
    let mut session = Session::new(NEW, 1 << 20);
    session.asks(&[QUERY]).reads(&[ok(IN_TRANSACTION)]).asks(&[QUERY]).reads(&[err()]);
    assert_eq!(session.state(), State::Transaction);
    session.asks(&[PING]).reads(&[ok(IN_TRANSACTION)]).asks(&[QUERY]).reads(&[ok(AUTOCOMMIT)]);
    session.asks(&[PING]).reads(&[ok(AUTOCOMMIT)]).asks(&[QUERY]).reads(&[ok(AUTOCOMMIT)]);
    assert_eq!(session.times, [7_000, 1_000]);
    assert_eq!(session.follow.tally().counts(), Counts { transactions: 2, queries: 4, errors: 1 });
}

#[test]
fn behind_an_error_a_transaction_may_be_open() {
    let mut session = Session::new(NEW, 1);
    session.asks(&[QUERY]).reads(&[err()]);
    assert_eq!((session.state(), session.follow.is_certain()), (State::Idle, false));
    session.asks(&[PING]).reads(&[ok(AUTOCOMMIT)]);
    assert_eq!((session.state(), session.follow.is_certain()), (State::Idle, true));
}

#[test]
fn another_login_ends_the_transaction() {
    let mut session = Session::new(NEW, 1);
    session.asks(&[QUERY]).reads(&[ok(IN_TRANSACTION)]);
    session.follow.changes_user(5_000);
    assert_eq!(session.state(), State::Active);
    session.follow.logged_in(6_000, |took| assert_eq!(took, 5_000));
    assert_eq!((session.state(), session.follow.tally().counts().transactions), (State::Idle, 1));
}

#[test]
fn what_no_server_would_say_is_followed_no_further() {
    let lies: [(&[u8], Vec<u8>); 6] = [
        (&[], ok(2)),
        (&[PING], vec![]),
        (&[PING], row()),
        (&[QUERY], vec![OK]),
        (&[QUERY], vec![EOF, 0, 0, 0, 0, 0, 0, 0, 1]),
        (&[PREPARE], vec![OK, 1, 0, 0, 0]),
    ];
    for (commands, lie) in lies {
        let mut session = Session::new(NEW, 1);
        session.asks(commands).reads(std::slice::from_ref(&lie));
        assert_eq!(session.state(), State::Unfollowed, "{lie:?}");
        session.asks(&[QUERY]).reads(&[ok(2)]);
        assert_eq!(session.state(), State::Unfollowed);
    }
}

#[test]
fn a_server_may_end_a_session_with_an_error_that_nobody_asked_for() {
    for piece in [1, 1 << 20] {
        let mut session = Session::new(NEW, piece);
        session.asks(&[QUERY]).reads(&[ok(AUTOCOMMIT)]).reads(&[err()]);
        let counts = session.follow.tally().counts();
        assert_eq!((session.state(), counts.transactions, counts.errors), (State::Idle, 1, 1));
    }
}

#[test]
fn streams_without_an_end_are_not_followed() {
    for command in [0x12, 0x1e, 0x20, 0xfe] {
        let mut session = Session::new(NEW, 1);
        session.asks(&[command]);
        assert_eq!(session.state(), State::Unfollowed);
    }
    let mut session = Session::new(NEW, 1);
    for _ in 0..16 {
        session.asks(&[QUERY, PING]);
    }
    assert_eq!(session.state(), State::Unfollowed, "more sent ahead than is remembered");
    assert_eq!(Follow::new(None).tally().state(), State::Unfollowed);
}

#[test]
fn a_failed_change_of_user_is_answered_and_ends_the_transaction() {
    let mut session = Session::new(NEW, 1);
    session.asks(&[QUERY]).reads(&[ok(IN_TRANSACTION)]);
    session.follow.changes_user(5_000);
    session.follow.change_failed(6_000, |took| assert_eq!(took, 5_000));
    assert_eq!((session.state(), session.follow.is_certain()), (State::Idle, true));
    let counts = session.follow.tally().counts();
    assert_eq!(counts, Counts { transactions: 1, queries: 1, errors: 1 });
    session.asks(&[QUERY]).reads(&[ok(IN_TRANSACTION)]);
    assert_eq!(session.state(), State::Transaction);
}

#[test]
fn a_change_of_user_behind_commands_without_an_answer_is_followed_no_further() {
    let mut session = Session::new(NEW, 1);
    session.asks(&[PING]);
    session.follow.changes_user(5_000);
    session.follow.logged_in(6_000, |_| {});
    assert_eq!(session.state(), State::Unfollowed, "that OK was for the ping");
}

#[test]
fn another_login_does_not_make_a_session_followed() {
    let mut session = Session::new(NEW, 1);
    session.asks(&[0x12]);
    session.follow.changes_user(5_000);
    session.follow.logged_in(6_000, |_| unreachable!("nothing is counted any more"));
    session.follow.change_failed(7_000, |_| unreachable!("nothing is counted any more"));
    assert_eq!((session.state(), session.follow.tally().since_us()), (State::Unfollowed, 1_000));
    let mut never = Follow::new(None);
    never.logged_in(1_000, |_| unreachable!("nothing is counted"));
    assert_eq!(never.tally().state(), State::Unfollowed);
}

#[test]
fn what_is_kept_of_a_session_is_bounded() {
    assert_eq!(std::mem::size_of::<Follow>(), 240);
}
