use super::*;
use crate::mysql::packet::framed;

/// Walks as the session filter does: what can't be told is offered again, with the next piece behind it.
fn offsets(bytes: &[u8], piece: usize) -> Vec<usize> {
    let (mut commands, mut found) = (Commands::default(), Vec::new());
    let (mut passed, mut arrived) = (0, 0);
    while arrived < bytes.len() {
        arrived = (arrived + piece).min(bytes.len());
        loop {
            let mut walk = commands.walk();
            walk.chunk(&bytes[passed..arrived]);
            match walk.end() {
                Found::Nothing => passed = arrived,
                Found::Undecided(at) => passed += at,
                Found::Unclear => {
                    found.push(usize::MAX);
                    return found;
                }
                Found::ChangeUser { at, bytes: length } | Found::Kill { at, bytes: length, .. } => {
                    if passed + at + length > arrived {
                        passed += at;
                        break;
                    }
                    found.push(passed + at);
                    passed += at + length;
                    continue;
                }
            }
            break;
        }
    }
    found
}

fn everywhere(bytes: &[u8]) -> Vec<usize> {
    let whole = offsets(bytes, bytes.len());
    for piece in 1..bytes.len().min(64) {
        assert_eq!(offsets(bytes, piece), whole, "in pieces of {piece}");
    }
    whole
}

#[test]
fn a_change_of_user_is_found_between_other_commands() {
    let bytes = [framed(0, b"\x03select 1"), framed(0, b"\x11root\0"), framed(0, b"\x0e"), framed(0, b"\x11")].concat();
    assert_eq!(everywhere(&bytes), [13, 28]);
}

#[test]
fn its_byte_inside_a_payload_is_no_command() {
    let long_data = framed(0, &[&[0x18, 1, 0, 0, 0, 0, 0][..], &framed(0, b"\x11root\0")].concat());
    let reply = framed(3, b"\x11not a command");
    assert_eq!(everywhere(&[long_data, reply, framed(0, b"")].concat()), [0; 0]);
}

#[test]
fn a_packet_that_continues_the_greatest_length_is_no_command() {
    let mut bytes = vec![0xff, 0xff, 0xff, 255, 3];
    bytes.resize(4 + CONTINUES as usize, b'x');
    bytes.extend(framed(0, b"\x11the rest of it"));
    let end = bytes.len();
    bytes.extend(framed(0, b"\x11root\0"));
    assert_eq!(offsets(&bytes, 1 << 20), [end]);
}

#[test]
fn a_file_whose_numbers_come_round_is_no_command_and_its_end_is_an_end() {
    let mut bytes = framed(0, b"\x03load data local infile 'x' into table t");
    for sequence in (2..=255).chain(0..=2) {
        bytes.extend(framed(sequence, if sequence == 0 { b"line" } else { b"\x11line of the file" }));
    }
    bytes.extend(framed(3, b""));
    let end = bytes.len();
    bytes.extend(framed(0, b"\x11root\0"));
    assert_eq!(everywhere(&bytes), [end]);
}

#[test]
fn behind_number_255_a_change_of_user_is_never_taken_for_a_file() {
    // The server may have given up on the file, or skipped the rest of a command too long for it, whatever its number.
    for before in [framed(254, b"line"), vec![]] {
        let bytes = [&framed(0, b"\x03x")[..], &before, &framed(255, b"line"), &framed(0, b"\x11root\0")].concat();
        assert_eq!(everywhere(&bytes), [usize::MAX]);
    }
}

#[test]
fn a_file_that_ends_at_number_255_is_followed_by_commands() {
    let mut bytes = framed(0, b"\x03load data local infile 'x' into table t");
    for sequence in 2..255 {
        bytes.extend(framed(sequence, b"line"));
    }
    bytes.extend(framed(255, b""));
    let end = bytes.len();
    bytes.extend(framed(0, b"\x11root\0"));
    assert_eq!(everywhere(&bytes), [end]);
}

#[test]
fn what_is_whole_passes_and_what_is_not_waits() {
    assert_eq!(Found::Nothing.passage(9, false), Passage::All);
    assert_eq!(Found::Undecided(7).passage(9, false), Passage::Hold(7));
    assert_eq!(Found::ChangeUser { at: 2, bytes: 8 }.passage(9, false), Passage::Hold(2));
    assert_eq!(Found::ChangeUser { at: 2, bytes: 8 }.passage(10, false), Passage::ChangeUser { at: 2, bytes: 8 });
}

#[test]
fn the_end_of_the_client_is_never_held_back() {
    for available in [0, 9, 20] {
        for found in [Found::Nothing, Found::Undecided(7), Found::ChangeUser { at: 0, bytes: 21 }] {
            let passage = found.passage(available, true);
            assert!(matches!(passage, Passage::All | Passage::Cut(_)), "{found:?} of {available}: {passage:?}");
        }
    }
}

#[test]
fn what_is_too_long_or_unclear_is_refused() {
    let long = Found::ChangeUser { at: 0, bytes: MAX_CHANGE_USER_BYTES + 1 };
    for found in [long, Found::Unclear] {
        assert!(matches!(found.passage(9, false), Passage::Refuse(refusal) if refusal.errno == 1043));
    }
}

#[test]
fn a_kill_of_a_front_id_is_found_between_other_commands_wherever_chunks_break() {
    let kill = framed(0, b"\x03/* now */ KILL QUERY 4026531841");
    let others = [framed(0, b"\x03select 1"), framed(0, b"\x03 KILL 7"), framed(0, b"\x0c\x07\0\0\0")].concat();
    let process = framed(0, &[&[0x0c][..], &4_026_531_841_u32.to_le_bytes()].concat());
    let bytes = [&others[..], &kill, &others, &process, &framed(0, b"\x0e")].concat();
    assert_eq!(everywhere(&bytes), [others.len(), 2 * others.len() + kill.len()]);
}

#[test]
fn a_kill_within_a_payload_or_too_long_to_look_at_is_none() {
    let inner = framed(0, b"\x03KILL 4026531841");
    let long_data = framed(0, &[&[0x18, 1, 0, 0, 0, 0, 0][..], &inner].concat());
    let long = framed(0, &[&b"\x03/*"[..], &[b' '; 500], b"*/KILL 4026531841"].concat());
    assert_eq!(everywhere(&[long_data, framed(1, b"\x03KILL 4026531841"), long].concat()), [0; 0]);
}
