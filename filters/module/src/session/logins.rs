//! What the brain learns soon of sessions that have logged in. What the book says is core's; here a session is entered, and one
//! of them tells of all.
//!
//! The brain's answer means nothing, and nothing is told again because there is none: reports say the same. One that is lost with
//! its teller, as Envoy gives up what a connection has asked with the connection, is no worse.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use sluice_abi::{Callout, Connection, monotonic_ms};
use sluice_core::logins::{self, Book, Login, Place, Telling, Turn};

use super::asking::ask_brain;
use super::scheduled::TELL;
use super::surplus::PATIENCE_MS;
use super::{Session, Stage};
use crate::NAMESPACE;
use crate::deadline::Alarm;

/// Tellings of one session without an answer. Envoy would take any number; a brain that answers none shall not get ever more.
const MOST_UNDER_WAY: usize = 4;

/// A session's place in the book and, where it tells, its turn; both end with it, whatever ends it.
pub struct Entered {
    place: Option<Place>,
    turn: Option<(Turn, Alarm)>,
}

impl Entered {
    /// The server has let in a session that it knows by `server_id`. `None` where the brain could not know it.
    pub fn begin(connection: &Connection<'_>, server_id: Option<u32>, cancel_digest: Option<&str>) -> Option<Self> {
        let own = connection.text(NAMESPACE, "connection")?;
        let front_id = connection.number(NAMESPACE, "front_id").unwrap_or_default() as u32;
        let login = Login::of(&own, server_id?, front_id, cancel_digest)?;
        let now_ms = monotonic_ms();
        let (place, turn) = {
            let mut book = the_book();
            (book.enter(login, now_ms), book.take_turn(now_ms))
        };
        let mut entered = Self { place, turn: None };
        entered.look_in(connection, turn);
        Some(entered)
    }

    /// Sets the alarm of a turn.
    fn look_in(&mut self, connection: &Connection<'_>, turn: Option<(Turn, u64)>) {
        self.turn = None;
        let Some((turn, in_ms)) = turn else { return };
        match Alarm::set(connection, in_ms, TELL) {
            Some(alarm) => self.turn = Some((turn, alarm)),
            None => the_book().give_up(turn),
        }
    }

    /// The session is over, or about to be.
    fn leave(&mut self) {
        let (place, turn) = (self.place.take(), self.turn.take());
        if place.is_none() && turn.is_none() {
            return;
        }
        let mut book = the_book();
        if let Some(place) = place {
            book.strike(place);
        }
        if let Some((turn, _)) = turn {
            book.give_up(turn);
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Stage {
    /// Of a session that has logged in and goes on.
    fn entered(&mut self) -> Option<&mut Entered> {
        match self {
            Self::Postgres(postgres) => postgres.entered.as_mut(),
            Self::Mysql(mysql) => mysql.entered.as_mut(),
            _ => None,
        }
    }
}

impl Session {
    /// Where nobody tells what there is to tell, this session does.
    pub(super) fn look_at_book(&mut self, connection: &Connection<'_>) {
        if let Some(entered) = self.stage.entered().filter(|entered| entered.turn.is_none()) {
            let turn = the_book().take_turn(monotonic_ms());
            entered.look_in(connection, turn);
        }
    }

    /// The teller's alarm has rung.
    pub(super) fn tell(&mut self, connection: &Connection<'_>) {
        let may_tell = self.tellings.len() < MOST_UNDER_WAY;
        let Some(entered) = self.stage.entered() else { return };
        let Some((turn, _)) = entered.turn else { return };
        let Telling { logins, again_in_ms } = the_book().tell(turn, monotonic_ms(), may_tell);
        entered.look_in(connection, again_in_ms.map(|in_ms| (turn, in_ms)));
        if !logins.is_empty() {
            let told = ask_brain(connection, logins::PATH, &logins::message(&logins), PATIENCE_MS);
            self.tellings.extend(told);
        }
    }

    /// True where `callout` was a telling.
    pub(super) fn was_told(&mut self, callout: Callout) -> bool {
        let before = self.tellings.len();
        self.tellings.retain(|telling| *telling != callout);
        self.tellings.len() < before
    }

    /// The connection is gone.
    pub(super) fn leave_book(&mut self) {
        if let Some(entered) = self.stage.entered() {
            entered.leave();
        }
    }
}

/// Of all listeners and workers: the brain tells nodes apart, and nothing smaller.
fn the_book() -> MutexGuard<'static, Book> {
    static BOOK: LazyLock<Mutex<Book>> = LazyLock::new(Mutex::default);
    BOOK.lock().unwrap_or_else(PoisonError::into_inner)
}
