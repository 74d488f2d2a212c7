//! Whole conversations of real clients with real servers, followed however they are cut: what a session is seen to do is what
//! its server said it did, what is counted is what its server has counted. See captures/README.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sluice_core::birth::Birth;
use sluice_core::mysql::commands::{Commands, Found};
use sluice_core::mysql::response::{self, Reading};
use sluice_core::mysql::wire::Wire;
use sluice_core::mysql::{self, greeting};
use sluice_core::postgres;
use sluice_core::tally::Tally;

enum Line {
    Client(Vec<u8>),
    Server(Vec<u8>),
    /// The server, asked at this place, says that the session is in this state.
    Rests(String),
}

struct Talk {
    name: String,
    lines: Vec<Line>,
    counts: BTreeMap<String, u64>,
}

impl Talk {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (mut lines, mut counts) = (Vec::new(), BTreeMap::new());
        for line in fs::read_to_string(path).unwrap().lines() {
            let (what, rest) = line.split_once(' ').unwrap();
            match what {
                "client" => lines.push(Line::Client(bytes(rest))),
                "server" => lines.push(Line::Server(bytes(rest))),
                "rests" => lines.push(Line::Rests(rest.to_owned())),
                count => assert_eq!(counts.insert(count.to_owned(), rest.parse().unwrap()), None, "{name}"),
            }
        }
        Self { name, lines, counts }
    }

    fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }

    fn assert_counts(&self, tally: &Tally) {
        let counts = tally.counts();
        let questions = self.counts.get("questions").map(|all| all - self.count("fetches") - self.count("hidden"));
        let queries = questions.unwrap_or_else(|| self.count("queries") + self.count("skipped"));
        assert_eq!((counts.queries, counts.errors), (queries, self.count("errors")), "{}", self.name);
        if let Some(transactions) = self.counts.get("transactions") {
            assert_eq!(counts.transactions, transactions + self.count("untransacted"), "{}", self.name);
        }
    }
}

impl Line {
    fn length(&self) -> usize {
        match self {
            Self::Client(said) | Self::Server(said) => said.len(),
            Self::Rests(_) => 0,
        }
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn talks(protocol: &str) -> Vec<Talk> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/talks");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap().to_str().unwrap().starts_with(protocol));
    files.sort();
    assert!(files.len() > 9);
    files.iter().map(|file| Talk::read(file)).collect()
}

/// Follows a session as the module does.
trait Session {
    fn client_sent(&mut self, bytes: &[u8]);
    fn server_sent(&mut self, bytes: &[u8]);
    fn tally(&self) -> &Tally;
}

#[derive(Default)]
struct Postgres {
    login: postgres::login::Login,
    follow: postgres::follow::Follow,
}

impl Session for Postgres {
    fn client_sent(&mut self, bytes: &[u8]) {
        self.follow.client_sent(bytes, || 0);
    }

    fn server_sent(&mut self, bytes: &[u8]) {
        let Self { login, follow } = self;
        let behind = login.follow(bytes, |event| {
            if event == postgres::login::Event::Ready {
                follow.logged_in(0);
            }
        });
        if login.is_over() {
            follow.server_sent(behind, || 0, |_| {});
        }
    }

    fn tally(&self) -> &Tally {
        self.follow.tally()
    }
}

/// Its talk begins behind the login.
struct Mysql {
    commands: Commands,
    held: Vec<u8>,
    follow: mysql::follow::Follow,
}

impl Mysql {
    fn logged_in(server: &[u8], client: &[u8]) -> Self {
        let offered = greeting::read(&server[4..]).unwrap();
        let Reading::Whole(response) = response::read(client) else { panic!("no response") };
        let birth =
            Birth { offered: offered.capabilities, offered_mariadb: offered.mariadb_capabilities, ..Birth::default() };
        let wire = Wire::agreed(&response, &birth);
        assert!(wire.is_some());
        let mut follow = mysql::follow::Follow::new(wire);
        follow.logged_in(0, |_| {});
        Self { commands: Commands::of(response.within(&birth).capabilities), held: Vec::new(), follow }
    }
}

impl Session for Mysql {
    fn client_sent(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        let follow = &mut self.follow;
        let mut walk = self.commands.walk_telling(|started| follow.client_sent(started, || 0));
        walk.chunk(&self.held);
        match walk.end() {
            Found::Nothing => self.held.clear(),
            Found::Undecided(at) => drop(self.held.drain(..at)),
            found => panic!("{found:?}"),
        }
    }

    fn server_sent(&mut self, bytes: &[u8]) {
        self.follow.server_sent(bytes, || 0, |_| {});
    }

    fn tally(&self) -> &Tally {
        self.follow.tally()
    }
}

/// `session` follows `lines`, each turn in the pieces that end where `cut` says.
fn follow(name: &str, lines: &[Line], session: &mut impl Session, cut: impl Fn(&[u8]) -> Vec<usize>) {
    for (at, line) in lines.iter().enumerate() {
        let mut start = 0;
        match line {
            Line::Client(said) => {
                for end in cut(said) {
                    session.client_sent(&said[start..end]);
                    start = end;
                }
            }
            Line::Server(said) => {
                for end in cut(said) {
                    session.server_sent(&said[start..end]);
                    start = end;
                }
            }
            Line::Rests(state) => {
                assert_eq!(session.tally().state().name(), state, "{name}, line {at} of what is followed")
            }
        }
    }
}

/// With every turn in two, wherever it can be cut, and in equal pieces.
fn however_cut<S: Session>(talk: &Talk, start: impl Fn() -> S, skip: usize) {
    let lines = &talk.lines[skip..];
    let longest = lines.iter().map(Line::length).max().unwrap();
    for at in 0..=longest {
        let mut session = start();
        follow(&talk.name, lines, &mut session, |said| vec![at.min(said.len()), said.len()]);
        talk.assert_counts(session.tally());
    }
    for piece in [1, 2, 3, 5, 7, 11] {
        let mut session = start();
        follow(&talk.name, lines, &mut session, |said| {
            (piece..said.len()).step_by(piece).chain([said.len()]).collect()
        });
        talk.assert_counts(session.tally());
    }
}

#[test]
fn postgres_sessions_are_what_their_server_says() {
    for talk in talks("postgres") {
        however_cut(&talk, Postgres::default, 0);
    }
}

#[test]
fn mysql_sessions_are_what_their_server_says() {
    for talk in talks("mysql") {
        let [Line::Server(greeting), Line::Client(response), ..] = &talk.lines[..] else { panic!("{}", talk.name) };
        let is_command = |line: &Line| matches!(line, Line::Client(said) if said[3] == 0);
        let login = talk.lines.iter().position(is_command).unwrap();
        however_cut(&talk, || Mysql::logged_in(greeting, response), login);
    }
}
