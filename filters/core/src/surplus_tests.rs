use super::*;

fn id(letter: char) -> String {
    letter.to_string().repeat(ID_BYTES)
}

fn orders() -> String {
    "service/orders".to_owned()
}

/// The ids of a question.
fn offered(question: Option<Vec<u8>>) -> Vec<String> {
    let question = question.expect("a question");
    let mut left = &question[5..];
    let mut ids = Vec::new();
    while let [TEXT_1, length, rest @ ..] = left {
        let (offer, behind) = rest.split_at(usize::from(*length));
        ids.push(String::from_utf8(offer[2..2 + ID_BYTES].to_vec()).expect("an id"));
        left = behind;
    }
    ids
}

fn body(ids: &[String]) -> Vec<u8> {
    framed(&ids.iter().flat_map(|id| [&[0x0a, 32], id.as_bytes()].concat()).collect::<Vec<u8>>())
}

fn offer(letter: char, idle: &[u8]) -> Vec<u8> {
    [&[0x0a, 35 + idle.len() as u8, 0x0a, 32], id(letter).as_bytes(), &[0x10], idle].concat()
}

#[test]
fn those_that_rest_are_offered_the_longest_first() {
    let mut roll = Roll::default();
    assert!(!roll.look(id('a'), orders(), 900, 1_000));
    assert!(!roll.look(id('b'), orders(), 700, 1_000));
    let expected = framed(&[offer('b', &[0xac, 2]), offer('a', &[100])].concat());
    assert_eq!(roll.question(1_000), Some(expected));
}

#[test]
fn a_service_with_many_that_rest_for_long_hides_no_other() {
    let mut roll = Roll::default();
    for number in 0..2 * MOST {
        roll.look(format!("{number:032}"), "service/many".to_owned(), number as u64, 9_000);
    }
    for (id, since_ms) in [(id('a'), 8_001), (id('b'), 8_000)] {
        roll.look(id, orders(), since_ms, 9_000);
    }
    let offered = offered(roll.question(9_000));
    assert_eq!(offered.len(), MOST);
    let many = |number: usize| format!("{number:032}");
    assert_eq!(offered[..5], [many(0), id('b'), many(1), id('a'), many(2)]);
}

#[test]
fn whoever_is_called_and_has_not_gone_is_offered_before_all_others() {
    let mut roll = Roll::default();
    for number in 0..2 * MOST {
        roll.look(format!("{number:032}"), orders(), number as u64, 9_000);
    }
    roll.answered(9_000, &body(&[id('a'), id('b')]));
    assert!(roll.look(id('a'), orders(), 8_000, 9_000), "and goes on: its server has the word");
    assert!(!roll.look(id('a'), orders(), 8_001, 9_001), "it has heard of it");
    roll.look(id('c'), orders(), 7_000, 9_000);
    let asked = offered(roll.question(9_100));
    assert_eq!(asked[..2], [id('a'), format!("{:032}", 0)]);
    roll.answered(9_100, &body(&[id('a')]));
    assert!(roll.look(id('a'), orders(), 8_001, 9_200), "it is called again");
}

#[test]
fn a_call_that_is_old_is_no_reason_to_ask_often() {
    let mut roll = Roll::default();
    roll.question(1_000);
    roll.answered(1_000, &body(&[id('a')]));
    assert!(roll.question(1_000 + CALLED_MS).is_some());
    assert_eq!(roll.question(1_000 + CALLED_MS + PEACE_MS - 1), None);
}

#[test]
fn one_asks_for_all_and_more_often_while_some_are_called() {
    let mut roll = Roll::default();
    assert!(roll.question(1_000).is_some());
    assert_eq!(roll.question(1_000 + PEACE_MS - 1), None);
    let asked_ms = 1_000 + PEACE_MS;
    assert!(roll.question(asked_ms).is_some());
    roll.answered(asked_ms, &body(&[id('a')]));
    assert_eq!(roll.question(asked_ms + ASK_MS - 1), None);
    assert!(roll.question(asked_ms + ASK_MS).is_some());
}

#[test]
fn what_nobody_hears_the_answer_of_is_asked_again() {
    let mut roll = Roll::default();
    assert!(roll.question(1_000).is_some());
    roll.ask_again();
    assert!(roll.question(1_001).is_some());
}

#[test]
fn whoever_is_called_learns_it_once_and_is_offered_no_more() {
    let mut roll = Roll::default();
    roll.look(id('a'), orders(), 0, 1_000);
    roll.question(1_000);
    roll.answered(1_000, &body(&[id('a')]));
    assert!(!roll.look(id('b'), orders(), 0, 2_000));
    assert!(roll.look(id('a'), orders(), 0, 2_000));
    assert!(!roll.look(id('a'), orders(), 0, 2_000));
}

#[test]
fn a_call_is_old_when_its_question_is() {
    let mut roll = Roll::default();
    roll.answered(1_000, &body(&[id('a')]));
    assert!(!roll.look(id('a'), orders(), 0, 1_000 + CALLED_MS));
    roll.answered(9_000, &body(&[]));
    roll.answered(8_000, &body(&[id('a')]));
    assert!(!roll.look(id('a'), orders(), 0, 9_100), "a later question was answered otherwise");
}

#[test]
fn who_looks_no_more_is_offered_no_more() {
    let mut roll = Roll::default();
    roll.look(id('a'), orders(), 0, 1_000);
    assert_eq!(roll.question(1_000 + SEEN_MS), Some(framed(&[])));
    assert!(roll.resting.is_empty());
}

#[test]
fn an_answer_has_any_number_of_ids() {
    let ids = [id('a'), id('b')];
    assert_eq!(answer(&body(&ids)), Some(ids.to_vec()));
    assert_eq!(answer(&body(&[])), Some(vec![]));
    assert_eq!(answer(&body(&vec![id('a'); 1_001])), None);
}

#[test]
fn anything_else_is_no_answer() {
    let short = framed(&[&[0x0a, 31], &[b'a'; 31][..]].concat());
    let field_2 = framed(&[&[0x12, 32], &[b'a'; 32][..]].concat());
    let no_text = framed(&[&[0x0a, 32], &[0xff; 32][..]].concat());
    for body in [&b""[..], b"0000", &short, &field_2, &no_text, &[0, 0, 0, 0, 1]] {
        assert_eq!(answer(body), None, "{body:?}");
    }
}
