//! Sessions that have logged in, as the brain is to learn soon: the book of a node, and when it is told what stands there. A session's
//! reports say the same, later. protos/sluice/v1/sessions.proto in gRPC's framing.
//!
//! ```text
//!  login ──▶ entered ── next telling ──▶ told once ── 600 ms later ──▶ told twice, out of the book
//!               └───────────────────────────┴── ends ──▶ struck
//! ```
//! Who is entered comes behind all others and is told behind all others, so each telling takes from the front, and a place is found by
//! its number.

use std::collections::VecDeque;

use crate::grpc::{NUMBER_2, TEXT_1, framed, push_number, push_text};

/// Where it is told.
pub const PATH: &str = "/sluice.v1.Sessions/LoggedIn";
/// Digits of a connection's id, and of a cancel digest.
const DIGITS: usize = 32;
/// Told at once.
const MOST: usize = 1_000;
/// Places of the book: who comes when all are taken is told by his reports.
const MOST_PLACES: usize = 20_000;
/// Between two tellings, and from a first login on.
const TELL_MS: u64 = 200;
/// From the first telling to the second: one is lost with its teller, who is another one by then, or overtakes the session's first
/// report, without which it means nothing.
const AGAIN_MS: u64 = 600;
/// A teller that is overdue by so long is not there any more.
const LOST_MS: u64 = 1_000;
/// Fields 3 and 4 of a login.
const NUMBER_3: u8 = 0x18;
const TEXT_4: u8 = 0x22;

/// What is told of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login {
    connection: [u8; DIGITS],
    server_id: u32,
    /// 0: none.
    front_id: u32,
    cancel_digest: Option<[u8; DIGITS]>,
}

impl Login {
    /// `None` where it is no session that the brain could know by this.
    pub fn of(connection: &str, server_id: u32, front_id: u32, cancel_digest: Option<&str>) -> Option<Self> {
        let digits = |text: &str| text.as_bytes().try_into().ok();
        let connection = digits(connection)?;
        (server_id > 0).then(|| Self { connection, server_id, front_id, cancel_digest: cancel_digest.and_then(digits) })
    }
}

/// Those that have logged in, of one node. A place takes 88 bytes, for about a second; the book at its fullest has 2.9 MB. More than
/// 2,500 logins a second are told later and later, until there is no place.
#[derive(Default)]
pub struct Book {
    /// In the order in which they came; nothing in the place of one that has ended.
    places: VecDeque<Option<Record>>,
    /// The number of the first of them.
    first: u64,
    /// How many of them, from the first on, are told once.
    told: usize,
    tell_at_ms: u64,
    teller: Option<Turn>,
    turns: u64,
}

struct Record {
    login: Login,
    /// Once it is told.
    again_at_ms: u64,
}

/// Where a session stands in the book.
#[derive(Debug, Clone, Copy)]
pub struct Place(u64);

/// Makes a session the teller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn(u64);

/// What a look of the teller's is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Telling {
    /// Those it tells; nothing is asked where there are none.
    pub logins: Vec<Login>,
    /// When it looks again; never where its turn is over.
    pub again_in_ms: Option<u64>,
}

impl Book {
    /// A session has logged in. `None` where there is no place for it.
    pub fn enter(&mut self, login: Login, now_ms: u64) -> Option<Place> {
        if self.places.len() >= MOST_PLACES {
            return None;
        }
        if self.places.is_empty() {
            self.tell_at_ms = self.tell_at_ms.max(now_ms + TELL_MS);
        }
        self.places.push_back(Some(Record { login, again_at_ms: 0 }));
        Some(Place(self.first + self.places.len() as u64 - 1))
    }

    /// It has ended: from here on it is not told as open.
    pub fn strike(&mut self, place: Place) {
        let at = place.0.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(record) = at.and_then(|at| self.places.get_mut(at)) {
            *record = None;
        }
    }

    /// Where there is something to tell and nobody who does, it falls to whoever asks; it is to look after so many milliseconds.
    pub fn take_turn(&mut self, now_ms: u64) -> Option<(Turn, u64)> {
        let is_there = self.teller.is_some() && now_ms <= self.tell_at_ms + LOST_MS;
        if is_there || self.places.is_empty() {
            return None;
        }
        self.turns += 1;
        let turn = Turn(self.turns);
        self.teller = Some(turn);
        Some((turn, self.tell_at_ms.saturating_sub(now_ms)))
    }

    /// The teller ends; another one's turn is none of its business.
    pub fn give_up(&mut self, turn: Turn) {
        self.teller.take_if(|teller| *teller == turn);
    }

    /// The teller looks. It tells nothing where it may not, and looks again.
    pub fn tell(&mut self, turn: Turn, now_ms: u64, may_tell: bool) -> Telling {
        if self.teller != Some(turn) {
            return Telling { logins: Vec::new(), again_in_ms: None };
        }
        if now_ms < self.tell_at_ms {
            return Telling { logins: Vec::new(), again_in_ms: Some(self.tell_at_ms - now_ms) };
        }
        self.tell_at_ms = now_ms + TELL_MS;
        let logins = if may_tell { self.due(now_ms) } else { Vec::new() };
        if self.places.is_empty() {
            self.places = VecDeque::new();
            self.teller = None;
        }
        Telling { logins, again_in_ms: self.teller.map(|_| TELL_MS) }
    }

    /// Who is due, those first who are told for the last time.
    fn due(&mut self, now_ms: u64) -> Vec<Login> {
        let mut logins = Vec::new();
        while let (true, Some(first)) = (logins.len() < MOST, self.places.front()) {
            match first {
                Some(record) if self.told == 0 || record.again_at_ms > now_ms => break,
                record => logins.extend(record.as_ref().map(|record| record.login)),
            }
            self.places.pop_front();
            self.first += 1;
            self.told = self.told.saturating_sub(1);
        }
        for place in self.places.range_mut(self.told..) {
            if logins.len() == MOST {
                break;
            }
            self.told += 1;
            if let Some(record) = place {
                record.again_at_ms = now_ms + AGAIN_MS;
                logins.push(record.login);
            }
        }
        logins
    }
}

/// Tells these.
pub fn message(logins: &[Login]) -> Vec<u8> {
    let mut message = Vec::new();
    for login in logins {
        let mut fields = Vec::new();
        push_text(&mut fields, TEXT_1, &login.connection);
        push_number(&mut fields, NUMBER_2, login.server_id);
        if login.front_id > 0 {
            push_number(&mut fields, NUMBER_3, login.front_id);
        }
        if let Some(digest) = &login.cancel_digest {
            push_text(&mut fields, TEXT_4, digest);
        }
        // At most 80 bytes.
        push_text(&mut message, TEXT_1, &fields);
    }
    framed(&message)
}

#[cfg(test)]
#[path = "logins_tests.rs"]
mod tests;
