//! What the module asks of the brain, or tells it: of its own connection, or of all of the node's.

use std::collections::HashSet;

use super::{Fact, World};

/// One that was put on a connection.
pub struct Question {
    pub path: String,
    body: Vec<u8>,
}

/// A session that has logged in, as the brain is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
    pub connection: String,
    pub server_id: u32,
    pub front_id: u32,
    pub cancel_digest: String,
}

const LOGGED_IN: &str = "/sluice.v1.Sessions/LoggedIn";
const FIND_SESSION: &str = "/sluice.v1.Sessions/FindSession";

impl World {
    /// Of this connection nothing is told that is not so, and nothing that is not so any more.
    pub(super) fn puts(&self, path: String, body: Vec<u8>) {
        let question = Question { path, body };
        let Some(Fact::Text(own)) = self.fact("connection") else { panic!("asks without an id") };
        let logins = question.logins();
        let all: HashSet<_> = logins.iter().map(|login| &login.connection).collect();
        assert!(all.len() == logins.len() && logins.len() <= 1_000, "told twice, or too many at once");
        if let Some(told) = logins.iter().find(|login| login.connection == own) {
            assert_eq!(*told, self.own_login(own));
            assert_eq!(self.fact("login"), Some(Fact::Text("ok".to_owned())));
            assert_ne!(self.verdict("verdict"), Some(Fact::Text("kill".to_owned())));
            let goes_on = self.is_open() && !self.is_closing() && !self.server_ended.get();
            assert!(goes_on && self.fact("ended_by").is_none(), "told though it is over");
        }
        self.questions.borrow_mut().push(question);
    }

    /// As its reports have it.
    fn own_login(&self, connection: String) -> Login {
        let number = |name| match self.fact(name) {
            Some(Fact::Number(number)) => number as u32,
            _ => 0,
        };
        let Some(Fact::Text(cancel_digest)) = self.fact("cancel_digest").or(Some(Fact::Text(String::new()))) else {
            panic!("a digest is a text")
        };
        Login { connection, server_id: number("server_id"), front_id: number("front_id"), cancel_digest }
    }

    /// It is asked whom a KILL means.
    pub fn has_asked_of_kill(&self) -> bool {
        self.questions.borrow().iter().any(|question| question.path == FIND_SESSION)
    }

    /// What is told on this connection of the one with this id.
    #[cfg(test)]
    pub fn told_of(&self, connection: &str) -> Vec<Login> {
        let questions = self.questions.borrow();
        questions.iter().flat_map(Question::logins).filter(|login| login.connection == connection).collect()
    }
}

impl Question {
    /// Those of a telling.
    fn logins(&self) -> Vec<Login> {
        if self.path != LOGGED_IN {
            return Vec::new();
        }
        let (prefix, mut left) = self.body.split_at(5);
        assert_eq!(*prefix, [&[0][..], &(left.len() as u32).to_be_bytes()].concat());
        let mut logins = Vec::new();
        while !left.is_empty() {
            logins.push(login(text(&mut left, 0x0a)));
        }
        assert!(!logins.is_empty(), "tells nothing");
        logins
    }
}

fn login(mut fields: &[u8]) -> Login {
    let digits = |text: &[u8]| {
        assert!(text.len() == 32 && text.iter().all(u8::is_ascii_hexdigit));
        String::from_utf8(text.to_vec()).expect("ASCII")
    };
    let fields = &mut fields;
    let connection = digits(text(fields, 0x0a));
    let server_id = number(fields, 0x10);
    let front_id = if fields.first() == Some(&0x18) { number(fields, 0x18) } else { 0 };
    let cancel_digest = if fields.is_empty() { String::new() } else { digits(text(fields, 0x22)) };
    assert!(fields.is_empty() && server_id > 0);
    Login { connection, server_id, front_id, cancel_digest }
}

fn text<'a>(left: &mut &'a [u8], tag: u8) -> &'a [u8] {
    assert_eq!(left[0], tag);
    let (text, behind) = left[2..].split_at(usize::from(left[1]));
    *left = behind;
    text
}

fn number(left: &mut &[u8], tag: u8) -> u32 {
    assert_eq!(left[0], tag);
    let length = 1 + left[1..].iter().position(|digit| *digit < 0x80).expect("an end");
    let number = left[1..=length].iter().rev().fold(0_u64, |number, digit| number << 7 | u64::from(digit & 0x7f));
    *left = &left[1 + length..];
    u32::try_from(number).expect("32 bits")
}
