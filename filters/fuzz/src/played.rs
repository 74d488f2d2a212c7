//! Sessions that are followed while a model of the server says who owes whom a word: one that rests in our books rests at the
//! server, or a limit would cut work; and where all is answered it rests, or no limit would ever end it.

use sluice_core::mysql::commands::Started;
use sluice_core::mysql::follow::Follow as MysqlFollow;
use sluice_core::mysql::packet::framed;
use sluice_core::mysql::wire::Wire;
use sluice_core::postgres::follow::Follow as PostgresFollow;
use sluice_core::tally::{State, Tally};

use crate::server::mysql::{Answer, COM_BINLOG_DUMP, COM_CHANGE_USER, COM_PING, COM_QUERY, COM_STMT_CLOSE, Thread};
use crate::server::postgres::{Backend, Outcome};

/// What `tally` says of a session must not be better than the server's own knowledge, nor worse once all is `read`.
fn agrees(tally: &Tally, rests: bool, was: State) {
    assert!(was != State::Unfollowed || tally.state() == State::Unfollowed, "followed again");
    assert!(rests || !tally.rests(), "rests while the server has work, or waits for more");
    assert!(!rests || tally.rests() || tally.state() == State::Unfollowed, "does not rest, and will never");
}

/// What is told apart however it comes: more than that may be given up.
const KNOWN: u32 = 32;

/// A Postgres session. Each byte is a message of the client, or the server reads one.
pub fn postgres(input: &[u8]) {
    let (mut follow, mut server) = (PostgresFollow::default(), Backend::default());
    follow.client_sent(b"\0\0\0\x08\0\x03\0\0", || 1);
    follow.logged_in(1);
    follow.server_sent(b"I", || 1, |_| {});
    let (mut owed, mut mixed, mut unsynced, mut has_data) = (0, 0, false, false);
    let drain = std::iter::repeat_n(&1, input.len());
    for byte in input.iter().chain(drain) {
        let (was, choice) = (follow.tally().state(), byte >> 1);
        if byte & 1 == 0 {
            let kind = b"QFPBDECHSSdcfPBE"[usize::from(choice % 16)];
            server.is_sent(kind);
            follow.client_sent(&message(kind, b'x'), || 1);
            owed += u32::from(matches!(kind, b'Q' | b'F' | b'S'));
            mixed += u32::from(matches!(kind, b'Q' | b'F') && unsynced);
            has_data |= matches!(kind, b'd' | b'c' | b'f');
            unsynced = match kind {
                b'Q' | b'F' | b'S' => false,
                b'P' | b'B' | b'D' | b'E' | b'C' => true,
                _ => unsynced,
            };
        } else {
            let outcome = [Outcome::Done, Outcome::Done, Outcome::Error, Outcome::Other][usize::from(choice % 4)];
            let status = b"ITE"[usize::from(choice / 4 % 3)];
            for kind in server.reads(outcome) {
                follow.server_sent(&message(*kind, status), || 1, |_| {});
            }
        }
        if server.is_gone {
            return;
        }
        agrees(follow.tally(), server.rests(), was);
        let is_plain = !has_data && !server.has_copied && owed <= KNOWN && mixed <= 1;
        assert!(!is_plain || follow.tally().state() != State::Unfollowed, "gives up what can be told");
    }
    assert!(server.has_read_all());
}

/// A message, in either direction.
fn message(kind: u8, status: u8) -> Vec<u8> {
    vec![kind, 0, 0, 0, 5, status]
}

/// A MySQL session, with changes of user, some of which fail. Each byte is a command, or the server answers one.
pub fn mysql(input: &[u8]) {
    let (mut follow, mut server) = (MysqlFollow::new(Some(Wire::default())), Thread::default());
    follow.logged_in(1, |_| {});
    // A login is relayed, and what the server says meanwhile is taken for its words.
    let mut login = false;
    let drain = std::iter::repeat_n(&1, input.len());
    for byte in input.iter().chain(drain) {
        let (was, choice) = (follow.tally().state(), byte >> 1);
        if byte & 1 == 0 {
            let commands =
                [COM_QUERY, COM_QUERY, COM_PING, COM_CHANGE_USER, COM_CHANGE_USER, COM_STMT_CLOSE, COM_BINLOG_DUMP];
            let command = commands[usize::from(choice) % commands.len()];
            if login {
                // The relay lets nothing pass that was not asked for.
                continue;
            }
            server.is_sent(command);
            if command == COM_CHANGE_USER {
                login = true;
                follow.changes_user(1);
            } else {
                follow.client_sent(Started { command, may_be_file: false }, || 1);
            }
        } else {
            let said = if choice % 2 == 0 { Answer::Ok } else { Answer::Error };
            match (server.answers(said), std::mem::take(&mut login)) {
                (None, was_login) => login = was_login,
                (Some(Answer::Ok), true) => follow.logged_in(1, |_| {}),
                (Some(Answer::Error), true) => follow.change_failed(1, |_| {}),
                (Some(Answer::Ok), false) => follow.server_sent(&framed(1, b"\0\0\0\x02\0\0\0"), || 1, |_| {}),
                (Some(Answer::Error), false) => follow.server_sent(&framed(1, b"\xff\x28\x04#42000no"), || 1, |_| {}),
            }
        }
        agrees(follow.tally(), server.rests(), was);
    }
}
