use super::*;

const ID: u32 = 4_026_531_841;

/// What a payload is once it is whole; every beginning of it must have asked for more, or said the same.
fn peeked(payload: &[u8], attributes: bool) -> Peeked {
    let (&command, text) = payload.split_first().unwrap();
    let whole = peek(command, text, text.len(), attributes);
    for end in 0..text.len() {
        let early = peek(command, &text[..end], text.len(), attributes);
        assert!(early == Peeked::More || (early == Peeked::Other && whole == Peeked::Other), "after {end} bytes");
    }
    whole
}

fn query(text: &str) -> Peeked {
    peeked(&[b"\x03", text.as_bytes()].concat(), false)
}

fn translated(peeked: Peeked) -> Vec<u8> {
    match peeked {
        Peeked::Kill(kill) => {
            assert_eq!(kill.id, ID);
            kill.translated(7)
        }
        other => panic!("found {other:?}"),
    }
}

#[test]
fn statements_of_drivers_and_people_are_translated_word_by_word() {
    let cases = [
        ("KILL 4026531841", "KILL 7"),
        ("KILL QUERY 4026531841", "KILL QUERY 7"),
        ("kill connection 4026531841;", "KILL CONNECTION 7"),
        ("Kill Hard Query 4026531841 ; ", "KILL HARD QUERY 7"),
        ("KILL SOFT 4026531841", "KILL SOFT 7"),
        ("/* ApplicationName=x */ KILL QUERY/**/4026531841 -- why", "KILL QUERY 7"),
        ("-- a\n# b\n\t KILL\n4026531841\n# end", "KILL 7"),
    ];
    for (from, to) in cases {
        // A line's comment without its end could go on.
        let from = from.replace("-- why", "-- why\n").replace("# end", "# end\n");
        assert_eq!(translated(query(&from)), packet::framed(0, &[b"\x03", to.as_bytes()].concat()), "{from}");
    }
}

#[test]
fn a_statement_with_attributes_keeps_their_place() {
    let kill = peeked(b"\x03\0\x01KILL QUERY 4026531841", true);
    assert_eq!(translated(kill), packet::framed(0, b"\x03\0\x01KILL QUERY 7"));
    assert_eq!(peeked(b"\x03\x01\x01KILL QUERY 4026531841", true), Peeked::Other);
    assert_eq!(peeked(b"\x03KILL QUERY 4026531841", true), Peeked::Other);
}

#[test]
fn the_command_of_old_clients_is_translated_in_its_own_form() {
    let kill = peeked(&[&[COM_PROCESS_KILL][..], &ID.to_le_bytes()].concat(), false);
    assert_eq!(translated(kill), packet::framed(0, &[COM_PROCESS_KILL, 7, 0, 0, 0]));
    assert_eq!(peeked(&[COM_PROCESS_KILL, 7, 0, 0, 0], false), Peeked::Other);
}

#[test]
fn an_unknown_session_is_said_so_by_the_server() {
    let Peeked::Kill(kill) = query("KILL 4026531841") else { panic!("not found") };
    let text = "SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = 'Unknown thread id: 4026531841', MYSQL_ERRNO = 1094";
    assert_eq!(kill.unknown(), packet::framed(0, &[b"\x03", text.as_bytes()].concat()));
    assert!(String::from_utf8_lossy(&kill.unanswered()).contains("MYSQL_ERRNO = 1105"));
}

#[test]
fn what_is_no_plain_kill_of_a_front_id_is_left_alone() {
    for text in [
        "",
        " ",
        "SELECT 1",
        "KILL",
        "KILL 7",
        "KILL 3758096383",
        "KILL 4294967295",
        "KILL 4294967296",
        "KILL 99999999999999999999",
        "KILL -4026531841",
        "KILL 4026531841+0",
        "KILL 4026531841e0",
        "KILL 4026531841.0",
        "KILL '4026531841'",
        "KILL QUERY ID 4026531841",
        "KILL USER ann",
        "KILL QUERY HARD 4026531841",
        "KILL HARD SOFT 4026531841",
        "KILL 4026531841; SELECT 1",
        "KILL 4026531841;;",
        "KILLER 4026531841",
        "KILL/*! QUERY */ 4026531841",
        "KILL/*M!QUERY*/ 4026531841",
        "/* open KILL 4026531841",
        "EXECUTE IMMEDIATE 'KILL 4026531841'",
        "\u{a0}KILL 4026531841",
        "KILL 4026531841\0",
    ] {
        assert_eq!(query(text), Peeked::Other, "{text:?}");
    }
}

#[test]
fn ordinary_statements_are_decided_by_their_first_bytes() {
    for (text, bytes) in [("SELECT 1", 1), ("insert into t", 1), ("kilt", 4), ("(SELECT 1)", 1)] {
        let peek = |end: &usize| peek(COM_QUERY, &text.as_bytes()[..*end], text.len(), false);
        let first_decided = (1..=text.len()).find(|end| peek(end) != Peeked::More);
        assert_eq!(first_decided, Some(bytes), "{text}");
    }
}

#[test]
fn front_ids_are_where_no_server_counts_to_and_never_all_ones() {
    assert_eq!(front_id([0; 4]), 0xe000_0000);
    assert_eq!(front_id([0xff; 4]), 0xffff_fffe);
    assert!(FRONT_IDS.contains(&front_id([1, 2, 3, 4])));
    assert!(may_be(COM_QUERY, 513) && !may_be(COM_QUERY, 514));
    assert!(may_be(COM_PROCESS_KILL, 5) && !may_be(COM_PROCESS_KILL, 9));
}
