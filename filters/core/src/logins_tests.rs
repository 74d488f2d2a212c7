use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn login(number: u32) -> Login {
    Login::of(&format!("{number:032x}"), number, 0, None).unwrap()
}

fn logins(numbers: impl IntoIterator<Item = u32>) -> Vec<Login> {
    numbers.into_iter().map(login).collect()
}

/// A book in which `count` have entered at `now_ms`, and whose turn it is.
fn book_of(count: u32, now_ms: u64) -> (Book, Turn, Vec<Place>) {
    let mut book = Book::default();
    let places = (1..=count).map(|number| book.enter(login(number), now_ms).unwrap()).collect();
    let (turn, in_ms) = book.take_turn(now_ms).unwrap();
    assert_eq!(in_ms, TELL_MS);
    (book, turn, places)
}

fn told(logins: Vec<Login>) -> Telling {
    Telling { logins, again_in_ms: Some(TELL_MS) }
}

fn over(logins: Vec<Login>) -> Telling {
    Telling { logins, again_in_ms: None }
}

#[test]
fn a_login_is_what_the_brain_can_know_it_by() {
    let id = "a".repeat(32);
    assert!(Login::of(&id, 1, 0, None).is_some());
    assert_eq!(Login::of(&id, 0, 0, None), None, "a server's own id is never 0");
    assert_eq!(Login::of(&id[1..], 1, 0, None), None);
    assert_eq!(Login::of("", 1, 0, None), None);
    assert_eq!(Login::of(&id, 1, 0, Some("short")), Login::of(&id, 1, 0, None));
}

#[test]
fn a_telling_is_a_framed_message() {
    let digest = "d".repeat(32);
    let postgres = Login::of(&"a".repeat(32), 300, 0, Some(&digest)).unwrap();
    let mysql = Login::of(&"b".repeat(32), 7, 4_026_531_841, None).unwrap();
    let expected = [
        &[0, 0, 0, 0, 71 + 2 + 42 + 2, 0x0a, 71, 0x0a, 32][..],
        &[b'a'; 32],
        &[0x10, 0xac, 2, 0x22, 32],
        &[b'd'; 32],
        &[0x0a, 42, 0x0a, 32],
        &[b'b'; 32],
        &[0x10, 7, 0x18, 0x81, 0x80, 0x80, 0x80, 0x0f],
    ];
    assert_eq!(message(&[postgres, mysql]), expected.concat());
    assert_eq!(message(&[]), framed(&[]));
    let largest = Login::of(&"a".repeat(32), u32::MAX, u32::MAX, Some(&digest)).unwrap();
    assert_eq!(message(&[largest; MOST]).len(), 5 + 82 * MOST);
}

#[test]
fn a_place_is_small() {
    assert_eq!(std::mem::size_of::<Option<Record>>(), 88);
}

#[test]
fn who_logs_in_is_told_soon_and_once_more_behind_that() {
    let (mut book, turn, _) = book_of(2, 1_000);
    assert_eq!(book.tell(turn, 1_199, true), Telling { logins: vec![], again_in_ms: Some(1) });
    assert_eq!(book.tell(turn, 1_200, true), told(logins([1, 2])));
    book.enter(login(3), 1_300);
    assert_eq!(book.tell(turn, 1_400, true), told(logins([3])));
    assert_eq!(book.tell(turn, 1_600, true), told(vec![]));
    assert_eq!(book.tell(turn, 1_800, true), told(logins([1, 2])));
    assert_eq!(book.tell(turn, 2_000, true), over(logins([3])));
    assert!(book.places.is_empty() && book.places.capacity() == 0);
    assert_eq!(book.take_turn(9_000), None, "there is nothing to tell");
}

#[test]
fn the_second_telling_comes_no_sooner_than_it_is_worth_anything() {
    let (mut book, turn, _) = book_of(1, 1_000);
    for (now_ms, expected) in [(1_200, logins([1])), (1_400, vec![]), (1_799, vec![])] {
        assert_eq!(book.tell(turn, now_ms, true), told(expected));
    }
    assert_eq!(book.tell(turn, 1_999, true), over(logins([1])));
}

#[test]
fn who_comes_right_behind_a_telling_waits_as_long_as_all_others() {
    let (mut book, turn, places) = book_of(1, 1_000);
    book.strike(places[0]);
    assert_eq!(book.tell(turn, 1_200, true), over(vec![]));
    book.enter(login(2), 1_210);
    let (turn, in_ms) = book.take_turn(1_210).unwrap();
    assert_eq!(in_ms, TELL_MS);
    assert_eq!(book.tell(turn, 1_410, true), told(logins([2])));
}

#[test]
fn who_ends_is_told_no_more() {
    let (mut book, turn, places) = book_of(4, 1_000);
    book.strike(places[0]);
    book.strike(places[2]);
    assert_eq!(book.tell(turn, 1_200, true), told(logins([2, 4])));
    book.strike(places[3]);
    assert_eq!(book.tell(turn, 1_800, true), over(logins([2])));
    let later = book.enter(login(5), 2_000).unwrap();
    places.into_iter().for_each(|place| book.strike(place));
    let (turn, _) = book.take_turn(2_000).unwrap();
    assert_eq!(book.tell(turn, 2_200, true), told(logins([5])), "a place is had once");
    book.strike(later);
    assert_eq!(book.tell(turn, 2_800, true), over(vec![]));
}

#[test]
fn more_than_a_message_has_room_for_come_with_the_next() {
    let count = 2 * MOST as u32 + 1;
    let (mut book, turn, _) = book_of(count, 1_000);
    assert_eq!(book.tell(turn, 1_200, true), told(logins(1..=1_000)));
    assert_eq!(book.tell(turn, 1_400, true), told(logins(1_001..=2_000)));
    assert_eq!(book.tell(turn, 1_900, true), told(logins(1..=1_000)), "those who are told for the last time first");
    assert_eq!(book.tell(turn, 2_100, true), told(logins((1_001..=2_000).take(MOST))));
    assert_eq!(book.tell(turn, 2_300, true), told(logins([2_001])));
    assert_eq!(book.tell(turn, 2_900, true), over(logins([2_001])));
}

#[test]
fn a_full_book_takes_nobody_and_is_told_by_whoever_comes() {
    let (mut book, turn, places) = book_of(MOST_PLACES as u32, 1_000);
    assert!(book.enter(login(0xffff), 1_000).is_none());
    book.strike(places[0]);
    book.give_up(turn);
    let (turn, _) = book.take_turn(1_000).unwrap();
    assert_eq!(book.tell(turn, 1_200, true).logins.len(), MOST);
    assert_eq!(book.tell(turn, 1_800, true).logins, logins(2..=1_001));
    assert!(book.enter(login(0xffff), 1_800).is_some());
}

#[test]
fn one_tells_for_all() {
    let (mut book, turn, _) = book_of(2, 1_000);
    assert_eq!(book.take_turn(1_000), None);
    assert_eq!(book.take_turn(1_200 + LOST_MS), None, "it is late");
    let (other, in_ms) = book.take_turn(1_201 + LOST_MS).unwrap();
    assert_eq!((in_ms, other == turn), (0, false), "it is lost, and so is its time");
    assert_eq!(book.tell(turn, 2_300, true), over(vec![]));
    book.give_up(turn);
    assert_eq!(book.tell(other, 2_300, true), told(logins([1, 2])));
}

#[test]
fn where_the_teller_ends_the_next_goes_on_at_the_same_times() {
    let (mut book, turn, _) = book_of(1, 1_000);
    book.give_up(turn);
    let (turn, in_ms) = book.take_turn(1_050).unwrap();
    assert_eq!(in_ms, 150);
    assert_eq!(book.tell(turn, 1_200, true), told(logins([1])));
    book.give_up(turn);
    let (turn, in_ms) = book.take_turn(1_201).unwrap();
    assert_eq!(in_ms, 199);
    assert_eq!(book.tell(turn, 1_201, true), Telling { logins: vec![], again_in_ms: Some(199) });
}

#[test]
fn a_teller_that_may_not_tell_looks_again() {
    let (mut book, turn, _) = book_of(1, 1_000);
    assert_eq!(book.tell(turn, 1_200, false), told(vec![]));
    assert_eq!(book.take_turn(1_300 + LOST_MS), None, "it is there");
    assert_eq!(book.tell(turn, 1_400, true), told(logins([1])));
    assert_eq!(book.tell(turn, 2_000, false), told(vec![]));
    assert_eq!(book.tell(turn, 2_200, true), over(logins([1])));
}

#[derive(Debug, Clone)]
enum Step {
    /// So many log in.
    Enter(u16),
    /// Of those who are there, and among them may be who tells.
    End(Vec<prop::sample::Index>),
    /// Nobody notices.
    TellerIsLost,
    /// So much time passes; who tells looks whenever it is to, and may tell or not.
    Pass(u16, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u16).prop_map(Step::Enter),
        1 => (0..2_500_u16).prop_map(Step::Enter),
        4 => vec(any::<prop::sample::Index>(), 0..40).prop_map(Step::End),
        1 => Just(Step::TellerIsLost),
        6 => (0..900_u16, prop::bool::weighted(0.9)).prop_map(|(ms, may_tell)| Step::Pass(ms, may_tell)),
    ]
}

/// A node with its sessions, any of which may tell.
#[derive(Default)]
struct Node {
    book: Book,
    now_ms: u64,
    entered: u32,
    /// Who is there, where it stands, and when it was told.
    open: HashMap<u32, (Place, Vec<u64>)>,
    /// In the order of their logins.
    order: Vec<u32>,
    /// Who tells, in which turn, and when it looks.
    teller: Option<(u32, Turn, u64)>,
    last_told_ms: Option<u64>,
}

impl Node {
    fn enter(&mut self) {
        self.entered += 1;
        let number = self.entered;
        let is_full = self.book.places.len() == MOST_PLACES;
        let place = self.book.enter(login(number), self.now_ms);
        assert_eq!(place.is_none(), is_full);
        if let Some(place) = place {
            self.open.insert(number, (place, Vec::new()));
            self.order.push(number);
        }
        if let Some((turn, in_ms)) = self.book.take_turn(self.now_ms) {
            self.teller = Some((number, turn, self.now_ms + in_ms));
        }
    }

    fn end(&mut self, index: prop::sample::Index) {
        if self.order.is_empty() {
            return;
        }
        let number = self.order.swap_remove(index.index(self.order.len()));
        if let Some((place, _)) = self.open.remove(&number) {
            self.book.strike(place);
        }
        if let Some((_, turn, _)) = self.teller.take_if(|(teller, ..)| *teller == number) {
            self.book.give_up(turn);
        }
    }

    fn pass(&mut self, until_ms: u64, may_tell: bool) {
        while let Some((number, turn, at_ms)) = self.teller.filter(|(.., at_ms)| *at_ms <= until_ms) {
            self.now_ms = self.now_ms.max(at_ms);
            let Telling { logins, again_in_ms } = self.book.tell(turn, self.now_ms, may_tell);
            self.heard(&logins);
            self.teller = again_in_ms.map(|in_ms| (number, turn, self.now_ms + in_ms));
        }
        self.now_ms = until_ms;
    }

    fn heard(&mut self, logins: &[Login]) {
        if logins.is_empty() {
            return;
        }
        assert!(logins.len() <= MOST, "{} in a message", logins.len());
        let last_ms = self.last_told_ms.replace(self.now_ms);
        assert!(last_ms.is_none_or(|last_ms| last_ms + TELL_MS <= self.now_ms), "told at {last_ms:?}, {}", self.now_ms);
        for login in logins {
            let (_, told) = self.open.get_mut(&login.server_id).expect("one that has ended is told as open");
            assert!(told.last().is_none_or(|last_ms| last_ms + AGAIN_MS <= self.now_ms), "too soon behind the first");
            told.push(self.now_ms);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whoever_stays_is_told_twice_and_whoever_ends_no_more(steps in vec(step(), 1..60)) {
        let mut node = Node { now_ms: 1_000, ..Node::default() };
        for step in steps {
            match step {
                Step::Enter(count) => (0..count).for_each(|_| node.enter()),
                Step::End(which) => which.into_iter().for_each(|index| node.end(index)),
                Step::TellerIsLost => node.teller = None,
                Step::Pass(ms, may_tell) => node.pass(node.now_ms + u64::from(ms), may_tell),
            }
            prop_assert!(node.book.places.len() <= MOST_PLACES);
        }
        // Whoever was lost, somebody comes.
        node.pass(node.now_ms + 2 * LOST_MS, true);
        node.enter();
        node.pass(node.now_ms + 60_000, true);
        prop_assert!(node.book.places.is_empty() && node.book.teller.is_none());
        for (number, (_, told)) in &node.open {
            prop_assert_eq!(told.len(), 2, "{} is told at {:?}", number, told);
        }
    }
}
