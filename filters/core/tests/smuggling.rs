//! Whatever a client sends, no COM_CHANGE_USER that a server would carry out passes by the watch. The server is a model of
//! what MySQL and MariaDB do: numbers must be in order, a file of LOCAL INFILE lasts until an empty packet, or until the
//! server gives up on it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_core::mysql::commands::{Commands, Found};
use sluice_core::mysql::packet::framed;

const COM_QUERY: u8 = 0x03;
const COM_CHANGE_USER: u8 = 0x11;

/// Packets whose numbers follow each other from `first` on.
#[derive(Debug, Clone)]
struct Run {
    first: u8,
    payloads: Vec<Vec<u8>>,
}

fn run() -> impl Strategy<Value = Run> {
    let payload = prop_oneof![
        4 => Just(vec![COM_CHANGE_USER, b'x', 0]),
        4 => Just(vec![COM_QUERY, b'f']),
        1 => Just(vec![]),
        2 => vec(any::<u8>(), 1..4),
    ];
    let many = (1..300_usize).prop_map(|count| vec![vec![COM_CHANGE_USER]; count]);
    let first = prop_oneof![Just(0), Just(2), Just(255), any::<u8>()];
    (first, prop_oneof![vec(payload, 1..4), many]).prop_map(|(first, payloads)| Run { first, payloads })
}

/// The packets, numbered.
fn packets(runs: &[Run]) -> Vec<(u8, &[u8])> {
    runs.iter()
        .flat_map(|run| {
            run.payloads.iter().zip(0_u8..=255).map(|(payload, at)| (run.first.wrapping_add(at), &payload[..]))
        })
        .collect()
}

/// The index of the first packet that the server carries out as COM_CHANGE_USER.
fn carried_out(packets: &[(u8, &[u8])], patience: usize) -> Option<usize> {
    let (mut expected, mut file_left) = (0_u8, 0);
    for (at, (number, payload)) in packets.iter().enumerate() {
        if *number != expected {
            return None;
        }
        if file_left > 0 {
            file_left = if payload.is_empty() { 0 } else { file_left - 1 };
            expected = if file_left > 0 { expected.wrapping_add(1) } else { 0 };
            continue;
        }
        match payload.first() {
            Some(&COM_CHANGE_USER) => return Some(at),
            // "load data local infile": the server asks for the file in packet 1, the client sends it from 2 on.
            Some(&COM_QUERY) if patience > 0 => (expected, file_left) = (2, patience),
            _ => {}
        }
    }
    None
}

/// Where the watch stops the client: at a COM_CHANGE_USER, or at what may be one.
fn stopped_at(bytes: &[u8], piece: usize) -> Option<usize> {
    let mut commands = Commands::default();
    let mut walk = commands.walk();
    let mut seen = 0;
    for chunk in bytes.chunks(piece) {
        seen += chunk.len();
        if !walk.chunk(chunk) {
            break;
        }
    }
    match walk.end() {
        Found::ChangeUser { at, .. } => Some(at),
        Found::Unclear => Some(seen),
        Found::Nothing | Found::Undecided(_) | Found::Kill { .. } => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_change_of_user_passes_by(runs in vec(run(), 1..6), patience in 0..600_usize, piece in 1..9_usize) {
        let packets = packets(&runs);
        let Some(which) = carried_out(&packets, patience) else { return Ok(()) };
        let before: usize = packets[..which].iter().map(|(_, payload)| payload.len() + 4).sum();
        let bytes: Vec<u8> = packets.iter().flat_map(|(number, payload)| framed(*number, payload)).collect();
        // `seen` of an unclear packet is behind its first byte, up to the end of the piece.
        prop_assert!(stopped_at(&bytes, piece).is_some_and(|at| at < before + 5 + piece));
    }

    #[test]
    fn none_passes_behind_a_file_that_the_server_gave_up(length in 250..258_usize, patience in 250..258_usize) {
        let file = Run { first: 2, payloads: vec![b"line".to_vec(); length] };
        let query = Run { first: 0, payloads: vec![vec![COM_QUERY, b'f']] };
        let change = Run { first: 0, payloads: vec![vec![COM_CHANGE_USER, b'x', 0]] };
        let runs = [query, file, change];
        let packets = packets(&runs);
        let bytes: Vec<u8> = packets.iter().flat_map(|(number, payload)| framed(*number, payload)).collect();
        if carried_out(&packets, patience).is_some() {
            prop_assert!(stopped_at(&bytes, bytes.len()).is_some(), "file of {length}, given up after {patience}");
        }
    }
}
