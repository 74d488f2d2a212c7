//! Following: what is learnt of a session from both of its directions.

use std::cell::Cell;

use sluice_core::mysql::commands::Started;
use sluice_core::mysql::follow::Follow as MysqlFollow;
use sluice_core::mysql::wire::Wire;
use sluice_core::postgres::error_code::ErrorCode;
use sluice_core::postgres::follow::Follow as PostgresFollow;
use sluice_core::tally::{State, Tally};

use crate::pieces::{Actor, Choices, Step, conversation, cuts, in_bytes, joined, pieces};

/// What was learnt.
#[derive(Debug, PartialEq, Eq)]
struct Learnt {
    line: String,
    state: State,
    is_between: bool,
    transactions: Vec<u64>,
}

/// Time goes on with every step that is neither side's, so that cuts don't change it.
struct Clock(Cell<u64>);

impl Clock {
    fn tick(&self, bytes: &[u8]) {
        self.0.set(self.0.get() + bytes.iter().map(|byte| 1 << (byte % 32)).sum::<u64>());
    }
}

/// What holds of every account.
fn sound(tally: &Tally, transactions: &[u64], now_us: u64) {
    let counts = tally.counts();
    assert_eq!(counts.transactions as usize, transactions.len());
    assert_eq!(tally.transaction_us(), transactions.iter().sum::<u64>());
    assert!(tally.since_us() <= now_us && tally.transaction_us() <= now_us, "time that never was");
    let line = tally.line();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!((words.len(), words[0]), (8, tally.state().name()));
    let histogram: u64 =
        words[7].split(',').filter(|count| !count.is_empty()).map(|count| count.parse::<u64>().unwrap()).sum();
    assert_eq!(histogram, counts.transactions);
    assert!(line.len() < 512);
}

/// Of what is not followed any more nothing changes.
fn for_good(was: &str, tally: &Tally) {
    assert!(!was.starts_with("unfollowed") || was == tally.line(), "{was}, and then {}", tally.line());
}

fn postgres_learns<B: AsRef<[u8]>>(steps: impl IntoIterator<Item = (Actor, B)>) -> Learnt {
    let (mut follow, clock, mut transactions) = (PostgresFollow::default(), Clock(Cell::new(1)), Vec::new());
    let mut is_in = false;
    for (actor, bytes) in steps {
        let bytes = bytes.as_ref();
        let was = follow.tally().line();
        match actor {
            Actor::Client => follow.client_sent(bytes, || clock.0.get()),
            Actor::Server if is_in => follow.server_sent(bytes, || clock.0.get(), |took| transactions.push(took)),
            Actor::Server => {}
            Actor::Other => {
                clock.tick(bytes);
                if !std::mem::replace(&mut is_in, true) {
                    follow.logged_in(clock.0.get());
                }
            }
        }
        sound(follow.tally(), &transactions, clock.0.get());
        for_good(&was, follow.tally());
    }
    let (tally, is_between) = (follow.tally(), follow.is_between_messages());
    Learnt { line: tally.line(), state: tally.state(), is_between, transactions }
}

/// The same is learnt of a Postgres session however its bytes are cut; the account is sound after every step.
pub fn postgres(input: &[u8]) {
    let steps = conversation(Choices(input));
    same(&steps, postgres_learns(joined(&steps)), |steps| {
        postgres_learns(steps.iter().map(|step| (step.actor, step.bytes)))
    });
}

fn same(steps: &[Step<'_>], whole: Learnt, learn: impl Fn(&[Step<'_>]) -> Learnt) {
    for other in [learn(steps), learn(&in_bytes(steps))] {
        // What is not followed any more is not read any more: where in a packet that was, is the cut's affair.
        let is_between = if whole.state == State::Unfollowed { whole.is_between } else { other.is_between };
        assert_eq!(Learnt { is_between, ..other }, whole);
    }
}

/// The same of a MySQL session. A client's step is commands, each a byte, and whether it may be a piece of a file.
pub fn mysql(input: &[u8]) {
    let mut choices = Choices(input);
    let flags = choices.byte();
    let bit = |at: u8| flags >> at & 1 == 1;
    let wire = Wire { deprecate_eof: bit(0), optional_metadata: bit(1), cache_metadata: bit(2) };
    let steps = conversation(choices);
    let learn = |steps: &[(Actor, &[u8])]| {
        let (mut follow, clock, mut transactions) = (MysqlFollow::new(Some(wire)), Clock(Cell::new(1)), Vec::new());
        follow.logged_in(1, |_| {});
        for (actor, bytes) in steps {
            let was = follow.tally().line();
            match actor {
                Actor::Client => {
                    for command in *bytes {
                        let started = Started { command: *command, may_be_file: bit(3) };
                        follow.client_sent(started, || clock.0.get());
                    }
                }
                Actor::Server => follow.server_sent(bytes, || clock.0.get(), |took| transactions.push(took)),
                // A server answers it, so it is between two packets.
                Actor::Other if bytes.first() == Some(&0) && follow.is_between_packets() => {
                    follow.changes_user(clock.0.get());
                    let now_us = clock.0.get();
                    match bytes.get(1) {
                        Some(0) => follow.change_failed(now_us, |took| transactions.push(took)),
                        _ => follow.logged_in(now_us, |took| transactions.push(took)),
                    }
                }
                Actor::Other => clock.tick(bytes),
            }
            sound(follow.tally(), &transactions, clock.0.get());
            for_good(&was, follow.tally());
        }
        let (tally, is_between) = (follow.tally(), follow.is_between_packets());
        Learnt { line: tally.line(), state: tally.state(), is_between, transactions }
    };
    let flat = |steps: &[Step<'_>]| learn(&steps.iter().map(|step| (step.actor, step.bytes)).collect::<Vec<_>>());
    let whole = joined(&steps);
    let whole = learn(&whole.iter().map(|(actor, bytes)| (*actor, &bytes[..])).collect::<Vec<_>>());
    same(&steps, whole, flat);
}

/// The code of an error is the same however it is cut, and five letters or digits.
pub fn error_code(input: &[u8]) {
    let mut choices = Choices(input);
    let ways = cuts(&mut choices);
    let bytes = choices.0;
    let [whole, cut, single] = ways.map(|sizes| {
        let mut code = ErrorCode::default();
        pieces(bytes, &sizes).into_iter().find_map(|piece| code.read(piece).map(str::to_owned))
    });
    assert_eq!(cut, whole);
    assert_eq!(single, whole);
    assert!(whole.is_none_or(|code| code.len() == 5));
}
