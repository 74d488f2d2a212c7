//! The commands of MySQL: none passes that makes somebody else of a client, as far as a model of the server can tell.

use sluice_core::mysql::change_user;
use sluice_core::mysql::commands::{Commands, Passage};
use sluice_core::mysql::packet::{HEADER_BYTES, framed};
use sluice_core::mysql::response;
use sluice_core::refusal::Refusal;

use super::packets;
use crate::pieces::{Choices, cuts, pieces};

/// Where the watch stopped a client, and what had passed.
#[derive(Debug, PartialEq, Eq)]
struct Watched {
    passed: usize,
    /// Offsets and lengths of every COM_CHANGE_USER.
    changes: Vec<(usize, usize)>,
    refused: Option<Refusal>,
}

/// Watches as the session filter does: what can't be told waits for more.
fn watch(bytes: &[u8], sizes: &[usize]) -> Watched {
    let mut commands = Commands::default();
    let mut watched = Watched { passed: 0, changes: Vec::new(), refused: None };
    let mut arrived = 0;
    for piece in pieces(bytes, sizes) {
        arrived += piece.len();
        loop {
            let at_hand = &bytes[watched.passed..arrived];
            let mut walk = commands.walk();
            // Envoy's own chunks break anywhere.
            for chunk in at_hand.chunks(sizes.first().map_or(1, |size| *size)) {
                if !walk.chunk(chunk) {
                    break;
                }
            }
            match walk.end().passage(at_hand.len(), arrived == bytes.len()) {
                Passage::All => watched.passed = arrived,
                Passage::Hold(at) => {
                    assert!(at_hand.len() - at <= HEADER_BYTES + response::MAX_BYTES, "holds too much");
                    watched.passed += at;
                }
                Passage::Cut(at) => {
                    watched.passed += at;
                    return watched;
                }
                Passage::Refuse(refusal) => {
                    watched.refused = Some(refusal);
                    return watched;
                }
                Passage::Kill { at, bytes, kill } => {
                    // The session filter goes on behind what it sends instead.
                    assert!(commands.walk().chunk(&kill.translated(7)), "a translation is translated again");
                    watched.passed += at + bytes;
                    continue;
                }
                Passage::ChangeUser { at, bytes } => {
                    watched.changes.push((watched.passed + at, bytes));
                    watched.passed += at + bytes;
                    // A login behind it, then commands again.
                    commands = Commands::default();
                    continue;
                }
            }
            break;
        }
    }
    watched
}

/// No COM_CHANGE_USER that a server would carry out passes by, however the packets are cut. The input is runs of packets:
/// first number, how many, and one payload for all of them.
pub fn commands(input: &[u8]) {
    let mut choices = Choices(input);
    let patience = usize::from(choices.u16());
    let ways = cuts(&mut choices);
    let mut bytes = Vec::new();
    while !choices.0.is_empty() && bytes.len() < 2_048 {
        let (first, many, length) = (choices.byte(), choices.byte(), choices.byte());
        if length == 255 {
            // Bytes as they are: headers that lie.
            bytes.extend(choices.bytes(usize::from(many)));
            continue;
        }
        let payload = choices.bytes(usize::from(length % 16));
        for at in 0..=many {
            bytes.extend(framed(first.wrapping_add(at), payload));
        }
    }
    let [whole, cut, single] = ways.map(|sizes| watch(&bytes, &sizes));
    for other in [&cut, &single] {
        // Of what is refused as a whole, more or less had passed before.
        assert_eq!((&other.changes, &other.refused), (&whole.changes, &whole.refused));
        assert!(other.refused.is_some() || other.passed == whole.passed);
    }
    let packets = packets(&bytes);
    let offset = |which: usize| packets[..which].iter().map(|(_, payload)| HEADER_BYTES + payload.len()).sum::<usize>();
    if let Some((change, _)) = whole.changes.first() {
        let in_file = pieces_of_files(&packets, patience).into_iter().map(offset).any(|at| at == *change);
        assert!(!in_file, "a piece of a file is taken for a command at {change}");
    }
    if let Some(which) = carried_out(&packets, patience) {
        let at = offset(which);
        for watched in [&whole, &cut, &single] {
            let stopped = watched.changes.iter().any(|(change, _)| *change == at);
            assert!(stopped || (watched.refused.is_some() && watched.passed <= at), "passed by at {at}: {watched:?}");
        }
    }
}

/// What a server makes of a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    Command,
    PieceOfFile,
    ChangeUser,
}

/// What the server makes of the packets, up to the first that it carries out as COM_CHANGE_USER or that is out of order. A file
/// of LOCAL INFILE lasts until an empty packet, or until the server has lost patience.
fn served(packets: &[(u8, &[u8])], patience: usize) -> Vec<Served> {
    let (mut expected, mut file_left) = (0_u8, 0);
    let mut all = Vec::new();
    for (number, payload) in packets {
        if *number != expected {
            break;
        }
        if file_left > 0 {
            file_left = if payload.is_empty() { 0 } else { file_left - 1 };
            expected = if file_left > 0 { expected.wrapping_add(1) } else { 0 };
            all.push(Served::PieceOfFile);
            continue;
        }
        match payload.first() {
            Some(0x11) => {
                all.push(Served::ChangeUser);
                break;
            }
            Some(0x03) if patience > 0 => (expected, file_left) = (2, patience),
            _ => {}
        }
        all.push(Served::Command);
    }
    all
}

/// The index of the first packet that the server carries out as COM_CHANGE_USER.
pub fn carried_out(packets: &[(u8, &[u8])], patience: usize) -> Option<usize> {
    served(packets, patience).iter().position(|packet| *packet == Served::ChangeUser)
}

fn pieces_of_files(packets: &[(u8, &[u8])], patience: usize) -> Vec<usize> {
    let served = served(packets, patience);
    (0..served.len()).filter(|at| served[*at] == Served::PieceOfFile).collect()
}

/// Does the COM_CHANGE_USER `payload` name `user`, prove nothing and ask for a plugin of nobody?
pub fn admits_only(user: &str, payload: &[u8]) -> bool {
    let begins = [b"\x11", user.as_bytes(), b"\0\0"].concat();
    payload.starts_with(&begins) && payload.windows(13).any(|word| word == b"sluice_relay\0")
}

/// Only the admitted user may log in again, and what goes to the server proves nothing.
pub fn change_user(input: &[u8]) {
    let mut choices = Choices(input);
    let (capabilities, number) = (choices.u32(), choices.byte());
    let admitted = choices.text().unwrap_or_default();
    let packet = framed(number, choices.0);
    let Ok(rewritten) = change_user::rewrite(&packet, capabilities, &admitted) else { return };
    assert_eq!(packets(&rewritten).len(), 1);
    assert_eq!((rewritten[3], rewritten[4]), (number, packet[4]));
    assert!(rewritten.len() <= packet.len() + b"sluice_relay\0".len());
    let mut words = rewritten[5..].split(|byte| *byte == 0);
    assert_eq!(words.next(), Some(admitted.as_bytes()));
    assert_eq!(words.next(), Some(&b""[..]), "a proof");
    let again = change_user::rewrite(&rewritten, capabilities, &admitted);
    assert_eq!(again.as_ref(), Ok(&rewritten));
    let _ = change_user::rewrite(choices.0, capabilities, &admitted);
}
