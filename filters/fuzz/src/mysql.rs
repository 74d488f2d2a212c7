//! MySQL: the opening, the handshake response, the greeting, the login relay, the commands behind it.

use sluice_core::birth::Birth;
use sluice_core::config::Greeting;
use sluice_core::mysql::commands::{Commands, Passage};
use sluice_core::mysql::kill::Peeked;
use sluice_core::mysql::login::{Event, Login, MAX_PACKET_BYTES};
use sluice_core::mysql::negotiation::Negotiation;
use sluice_core::mysql::only_kill::OnlyKill;
use sluice_core::mysql::packet::{self, HEADER_BYTES, framed};
use sluice_core::mysql::plugin::Secrecy;
use sluice_core::mysql::response::{self, Reading, Response};
use sluice_core::mysql::{capability, change_user, find_session, greeting, kill};
use sluice_core::negotiation::{Move, Plaintext};
use sluice_core::refusal::Refusal;

use crate::judge::assert_err_packet;
use crate::pieces::{Actor, Choices, conversation, cuts, in_bytes, joined, negotiate, pieces};

/// However the opening is cut, the same moves; exactly one SSLRequest is taken, and plaintext passes only where it may.
pub fn negotiation(input: &[u8]) {
    let mut choices = Choices(input);
    let allowed = choices.byte() & 1 == 1;
    let plaintext = if allowed { Plaintext::Allow } else { Plaintext::Refuse };
    let ways = cuts(&mut choices);
    let bytes = choices.0;
    let [whole, cut, single] = ways.map(|sizes| {
        let mut negotiation = Negotiation::new(plaintext);
        negotiate(bytes, &sizes, |peeked| negotiation.look(peeked))
    });
    assert_eq!(cut, whole);
    assert_eq!(single, whole);
    assert_eq!(whole.replies, b"", "the front has spoken already");
    match whole.taken {
        0 => {}
        36 => assert_eq!((&bytes[..4], bytes[5] & 8), (&[32, 0, 0, 1][..], 8)),
        other => panic!("took {other} bytes"),
    }
    match &whole.last {
        Move::Pass if whole.taken == 36 => assert_eq!(bytes[36], 0x16),
        Move::Pass => assert!(allowed, "plaintext passes"),
        Move::Refuse(reply) => assert_err_packet(reply, 2),
        Move::Wait => assert!(bytes.len() - whole.taken < 36),
        other => panic!("{other:?}"),
    }
}

/// A response is decided once; what goes to the server says the same user and database, proves nothing and asks for no TLS.
pub fn response(input: &[u8]) {
    let mut decided = None;
    for end in 0..=input.len() {
        match (response::read(&input[..end]), &decided) {
            (Reading::NeedMore, None) => {}
            (Reading::Whole(response), None) => {
                assert_eq!(response.bytes, end, "whole with its last byte");
                decided = Some(Reading::Whole(response));
            }
            (now, None) => decided = Some(now),
            (now, Some(before)) => assert_eq!(now, *before, "changed its mind"),
        }
    }
    match decided {
        Some(Reading::Whole(response)) => {
            assert!(
                server_reads(&response.for_server, false)
                    == Some((&response.identity.user, &response.identity.database))
            );
            let Reading::Whole(again) = response::read(&framed(1, &response.for_server)) else { panic!("unreadable") };
            assert_eq!((again.for_server, again.identity), (response.for_server, response.identity));
            assert_eq!(again.capabilities, response.capabilities & !capability::SSL);
        }
        Some(Reading::Refused(refusal, sequence)) => assert_err_packet(&refusal.as_mysql(sequence), sequence),
        Some(Reading::NeedMore) | None => assert!(input.len() <= HEADER_BYTES + response::MAX_BYTES),
    }
}

/// User and database as a server finds them in a response with an empty proof; `None` where it bears one, or does not say of
/// TLS what it should.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html>
pub fn server_reads(payload: &[u8], over_tls: bool) -> Option<(&str, &str)> {
    let capabilities = u32::from_le_bytes(*payload.first_chunk()?);
    let mut words = payload.get(32..)?.split(|byte| *byte == 0);
    let user = std::str::from_utf8(words.next()?).ok()?;
    if (capabilities & capability::SSL != 0) != over_tls || !words.next()?.is_empty() {
        return None;
    }
    let named = capabilities & capability::CONNECT_WITH_DB != 0;
    let database = if named { std::str::from_utf8(words.next()?).ok()? } else { "" };
    (words.next()? == b"sluice_relay").then_some((user, database))
}

/// A greeting that was made is read as it was meant; an early error is passed on with its number.
pub fn greeting(input: &[u8]) {
    let _ = greeting::read(input);
    if let Some(refusal) = greeting::early_error(input) {
        assert_eq!(Some(&refusal.errno.to_le_bytes()[..]), input.get(1..3));
        assert_eq!(refusal.as_mysql(3).get(3..7), Some(&[&[3, 0xff], &input[1..3]].concat()[..]));
    }
    let mut choices = Choices(input);
    let (capabilities, mariadb_capabilities) = (choices.u32(), choices.u32());
    let collation = choices.byte();
    let mut salt = [0; 20];
    salt.iter_mut().for_each(|byte| *byte = choices.byte());
    let version = String::from_utf8_lossy(choices.0).replace('\0', "");
    let config = Greeting { version, capabilities, mariadb_capabilities, collation };
    let made = greeting::make(&config, salt, kill::front_id([7; 4]));
    let read = greeting::read(&made[4..]).expect("readable");
    assert_eq!((read.capabilities, read.mariadb_capabilities), greeting::offered(&config));
    assert!(kill::FRONT_IDS.contains(&read.connection_id));
    assert_eq!(read.capabilities & capability::NEVER, 0);
}

/// The response of every login here; its client has taken what `capabilities` say.
fn responded(capabilities: u32) -> Response {
    let mut payload = (capabilities | capability::REQUIRED).to_le_bytes().to_vec();
    payload.extend_from_slice(&[0, 0, 0, 1, 45]);
    payload.extend_from_slice(&[0; 19]);
    payload.extend_from_slice(&29_u32.to_le_bytes());
    payload.extend_from_slice(b"m\0\0");
    match response::read(&framed(2, &payload)) {
        Reading::Whole(response) => *response,
        other => panic!("{other:?}"),
    }
}

/// What came of a relayed login.
#[derive(Debug, Default, PartialEq, Eq)]
struct Relayed {
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    /// What each side was read of before the end.
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    events: Vec<Event>,
    refused: Option<(Refusal, u8)>,
    over: bool,
    /// The response that went behind TLS.
    released: Option<Vec<u8>>,
}

fn relay<B: AsRef<[u8]>>(mut login: Login, steps: impl IntoIterator<Item = (Actor, B)>) -> Relayed {
    let mut relayed = Relayed::default();
    for (actor, bytes) in steps {
        let bytes = bytes.as_ref();
        let outcome = match actor {
            Actor::Client => {
                relayed.from_client.extend(bytes);
                login.client_sent(bytes, &mut relayed.to_server)
            }
            Actor::Server => {
                relayed.from_server.extend(bytes);
                login.server_sent(bytes, &mut relayed.to_client, |event| relayed.events.push(event))
            }
            Actor::Other => Ok(()),
        };
        relayed.over = login.is_over();
        if outcome.is_ok() && relayed.released.is_none() && relayed.events.contains(&Event::TlsOffered) {
            relayed.released = login.response();
        }
        if let Err(refusal) = outcome {
            relayed.refused = Some((refusal, login.answer_sequence()));
            break;
        }
        if relayed.over {
            break;
        }
    }
    relayed
}

/// However a conversation is cut, the same is relayed; only numbers change; nothing is invented; what is kept is bounded;
/// the client sends at most one packet for each that asks for one.
pub fn login(input: &[u8]) {
    let mut choices = Choices(input);
    let flags = choices.byte();
    let (again, over_tls) = (flags & 1 == 1, flags & 2 == 2);
    let secrecy = [Secrecy::NoTlsToServer, Secrecy::NoTlsFromClient, Secrecy::Tls][usize::from(flags >> 2) % 3];
    let birth = Birth { offered: choices.u32(), offered_mariadb: choices.byte().into(), ..Birth::default() };
    let optional = capability::CONNECT_WITH_DB | capability::CONNECT_ATTRS | capability::PLUGIN_AUTH_LENENC;
    let response = responded(choices.u32() & !(capability::NEVER | capability::SSL | optional));
    let begin = || match (again, over_tls) {
        (true, _) => Login::again(secrecy),
        (false, true) => Login::over_tls(&response, &birth, secrecy),
        (false, false) => Login::new(&response, &birth),
    };
    // The server counts SSLRequest where it was sent one.
    let ahead = u8::from(!again && !over_tls);
    let steps = conversation(choices);
    let whole = relay(begin(), joined(&steps));
    let single = relay(begin(), in_bytes(&steps).iter().map(|step| (step.actor, step.bytes)));
    let cut = relay(begin(), steps.iter().map(|step| (step.actor, step.bytes)));
    for other in [&single, &cut] {
        conserved(other, again, ahead);
        if !again && over_tls {
            // What comes together with the greeting came before TLS, and that depends on how it is cut.
            continue;
        }
        assert_eq!(
            (&other.to_server, &other.events, &other.refused),
            (&whole.to_server, &whole.events, &whole.refused)
        );
        // Behind the end all passes; how much of it has arrived is the cut's affair.
        assert!(whole.to_client.starts_with(&other.to_client), "{other:?} {whole:?}");
        assert_eq!(other.over, whole.over);
    }
    conserved(&whole, again, ahead);
    let offered = whole.events.contains(&Event::TlsOffered) && whole.refused.is_none();
    assert!(!offered || whole.released.is_some());
    if let Some(released) = &whole.released {
        assert_eq!((packets(released).len(), released[3]), (1, 2));
        assert_eq!(server_reads(&released[4..], true), Some(("m", "")));
    }
}

fn conserved(relayed: &Relayed, again: bool, ahead: u8) {
    let (client, server) = (packets(&relayed.from_client), packets(&relayed.from_server));
    // Towards the server: the client's own packets, renumbered; a header passes when it is whole.
    let mut expected = Vec::new();
    for (number, payload) in &client {
        expected.extend(framed(number.wrapping_sub(ahead), payload));
    }
    let behind = &relayed.from_client[expected.len()..];
    if let Some((header, payload)) = behind.split_first_chunk::<4>() {
        let [a, b, c, number] = *header;
        expected.extend([a, b, c, number.wrapping_sub(ahead)]);
        expected.extend(payload);
    }
    assert!(expected.starts_with(&relayed.to_server), "the client said {expected:?}");
    if relayed.refused.is_none() {
        assert!(expected.len() - relayed.to_server.len() == 0 || behind.len() < HEADER_BYTES);
    }
    // Towards the client: the server's packets but the greeting, renumbered.
    let mut expected = Vec::new();
    let mut decided = false;
    for (at, (number, payload)) in server.iter().enumerate() {
        if at == 0 && !again {
            if payload.first() == Some(&0xff) {
                return assert!(relayed.over);
            }
            continue;
        }
        expected.extend(framed(if decided { *number } else { number.wrapping_add(ahead) }, payload));
        decided |= matches!(payload.first(), Some(0 | 0xff) | None);
    }
    let waiting =
        relayed.from_server.len() - server.iter().map(|(_, payload)| HEADER_BYTES + payload.len()).sum::<usize>();
    if decided {
        expected.extend(&relayed.from_server[relayed.from_server.len() - waiting..]);
    }
    assert!(expected.starts_with(&relayed.to_client), "the server said {expected:?}");
    assert!(relayed.refused.is_some() || relayed.over || waiting < HEADER_BYTES + MAX_PACKET_BYTES);
    // The relay hands out leave to send one packet at a time.
    let asks = |payload: &[u8]| payload.first() == Some(&0xfe) || payload.starts_with(&[1, 4]);
    let asked = server.iter().filter(|(_, payload)| asks(payload)).count();
    assert!(packets(&relayed.to_server).len() <= asked);
}

/// The whole packets in `bytes`, as (number, payload).
pub fn packets(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut packets = Vec::new();
    while let Some((length, number)) = packet::header(bytes) {
        let Some(payload) = bytes.get(HEADER_BYTES..HEADER_BYTES + length) else { break };
        packets.push((number, payload));
        bytes = &bytes[HEADER_BYTES + length..];
    }
    packets
}

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

/// What is taken for a KILL is one of an id of the front's; what is sent instead is one packet and none again; the beginning of
/// a statement is not decided otherwise than the whole.
pub fn kill(input: &[u8]) {
    let mut choices = Choices(input);
    let flags = choices.byte();
    let (attributes, command) = (flags & 1 == 1, if flags & 2 == 2 { 0x0c } else { 0x03 });
    let text = choices.0;
    if !kill::may_be(command, 1 + text.len()) {
        return;
    }
    let whole = kill::peek(command, text, text.len(), attributes);
    for end in 0..text.len() {
        match kill::peek(command, &text[..end], text.len(), attributes) {
            Peeked::More => {}
            early => assert_eq!(early, whole, "changed its mind after {end} bytes"),
        }
    }
    let Peeked::Kill(found) = whole else { return assert_eq!(whole, Peeked::Other, "asks for more than there is") };
    assert!(kill::FRONT_IDS.contains(&found.id));
    let named = found.id.to_string();
    let shown = text.windows(named.len()).any(|digits| digits == named.as_bytes());
    assert!(shown || (command == 0x0c && text == found.id.to_le_bytes()), "an id that nobody named");
    for sent in [found.translated(7), found.unknown(), found.unanswered()] {
        let [(0, payload)] = packets(&sent)[..] else { panic!("{sent:?}") };
        assert_eq!(kill::peek(payload[0], &payload[1..], payload.len() - 1, attributes), Peeked::Other);
    }
}

/// However a client is cut, the same whole commands pass, up to the first that may not.
pub fn only_kill(input: &[u8]) {
    let mut choices = Choices(input);
    let attributes = choices.byte() & 1 == 1;
    let ways = cuts(&mut choices);
    let bytes = choices.0;
    let mut all = ways.map(|sizes| {
        let mut gate = OnlyKill::new(attributes);
        let passed = pieces(bytes, &sizes).into_iter().flat_map(|piece| gate.client_sent(piece)).collect::<Vec<_>>();
        (passed, gate.is_refused())
    });
    let (whole, refused) = std::mem::take(&mut all[0]);
    assert_eq!((&whole, refused), (&all[1].0, all[1].1));
    assert_eq!((&whole, refused), (&all[2].0, all[2].1));
    assert!(bytes.starts_with(&whole));
    let passed = packets(&whole);
    assert_eq!(passed.iter().map(|(_, payload)| HEADER_BYTES + payload.len()).sum::<usize>(), whole.len());
    for (number, payload) in passed {
        assert_eq!(number, 0);
        let plain = match payload {
            [3, 0, 1, text @ ..] if attributes => text,
            [3, text @ ..] => text,
            _ => &[],
        };
        let inner = plain.trim_ascii_end();
        let inner = inner.strip_suffix(b";").unwrap_or(inner);
        let behind_comments = inner.rsplit(|byte| *byte == b'/' || *byte == b'\n').next().unwrap_or_default();
        assert!(!behind_comments.contains(&b';'), "two statements: {payload:?}");
    }
    let behind = &bytes[whole.len()..];
    let waits = packet::header(behind).is_none_or(|(length, _)| behind.len() < HEADER_BYTES + length);
    assert!(refused || waits, "a whole command is kept");
}

/// Any answer is an id, that there is none, or no answer; a question says what was asked.
pub fn find_session(input: &[u8]) {
    if let Some(Some(_)) = find_session::answer(input) {
        assert_eq!(input[5], 0x08, "an id out of nothing");
    }
    let mut choices = Choices(input);
    let (id, connection) = (choices.u32(), choices.text().unwrap_or_default());
    let question = find_session::question(&connection, id);
    let length = u32::from_be_bytes(*question[1..].first_chunk().expect("a length")) as usize;
    assert_eq!((question[0], question.len()), (0, 5 + length));
}
