//! Postgres: the opening, the startup packet, the login.

use sluice_core::negotiation::Move;
use sluice_core::postgres::cancel::CancelKey;
use sluice_core::postgres::login::{Event, Login};
use sluice_core::postgres::negotiation::Negotiation;
use sluice_core::postgres::proof::Proof;
use sluice_core::postgres::startup::{self, MAX_BODY_BYTES, MAX_NAME_BYTES, MAX_PARAMETERS, Startup};
use sluice_core::postgres::tls_request::TlsRequest;
use sluice_core::tls_request::MAX_HELD_BYTES;

use crate::judge::assert_error_response;
use crate::pieces::{Actor, Choices, Opened, conversation, cuts, opened, pieces};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

/// However the opening is cut, the same answers; `S` and `N` only to who asked; TLS only where it was promised or first.
pub fn negotiation(input: &[u8]) {
    let Opened { allowed, bytes, whole } = opened(input, Negotiation::new, Negotiation::look);

    let asked: Vec<u8> = bytes[..whole.taken]
        .chunks(8)
        .map(|request| match request {
            request if *request == SSL_REQUEST => b'S',
            request if *request == GSSENC_REQUEST => b'N',
            other => panic!("took {other:?}"),
        })
        .collect();
    assert_eq!(whole.replies, asked);
    assert!(matches!(asked[..], [] | [b'S'] | [b'N'] | [b'N', b'S']), "{asked:?}");
    let next = bytes.get(whole.taken);
    match &whole.last {
        Move::Pass if next != Some(&0x16) => {
            assert!(!asked.contains(&b'S'), "plaintext passes behind SSLRequest");
            let is_cancel = bytes[whole.taken + 4..whole.taken + 8] == [4, 210, 22, 46];
            assert!(is_cancel || allowed && bytes[whole.taken + 4..whole.taken + 6] == [0, 3], "plaintext passes");
        }
        Move::Refuse(reply) => {
            assert_error_response(reply);
            assert_ne!(next, Some(&0x16), "TLS is refused");
        }
        Move::Wait => assert!(bytes.len() - whole.taken < 8, "waits for more than tells"),
        Move::Pass => {}
        Move::Answer { .. } => unreachable!(),
    }
}

/// A startup packet is decided once, at the earliest byte; what is accepted is what Postgres would read.
pub fn startup(input: &[u8]) {
    let mut decided = None;
    for end in 0..=input.len() {
        match (startup::read(&input[..end]), &decided) {
            (Startup::NeedMore, None) => assert!(end < 8 || end < length(input), "waits behind the end"),
            (Startup::Message { bytes, .. } | Startup::Cancel(_, bytes), None) => {
                assert_eq!((bytes, length(input)), (end, end), "whole with its last byte");
                decided = Some(startup::read(&input[..end]));
            }
            (now, None) => decided = Some(now),
            (now, Some(before)) => assert_eq!(now, *before, "changed its mind"),
        }
    }
    let parameters = match &decided {
        Some(Startup::NeedMore) | None => return,
        Some(Startup::Cancel(key, bytes)) => {
            assert_eq!((input[4..8].as_ref(), *bytes), ([4, 210, 22, 46].as_ref(), length(input)));
            return assert_eq!([&key.pid.to_be_bytes()[..], &key.secret].concat(), input[8..*bytes]);
        }
        Some(Startup::MalformedCancel) => {
            assert_eq!(input[4..8], [4, 210, 22, 46]);
            return assert!(!(16..=268).contains(&length(input)), "a server would act on it");
        }
        Some(Startup::Refused(refusal)) => {
            assert_error_response(&refusal.as_postgres());
            server_reads(input).map(Err)
        }
        Some(Startup::Message { identity, .. }) => server_reads(input).map(|read| Ok((read, identity))),
    };
    match parameters {
        None => assert!(!matches!(decided, Some(Startup::Message { .. })), "the server reads no startup packet here"),
        Some(Ok((Read { user, database, .. }, identity))) => {
            assert_eq!((identity.user.as_bytes(), identity.database.as_bytes()), (&user[..], &database[..]));
        }
        Some(Err(read)) => assert!(read.is_odd, "refused without a reason"),
    }
}

fn length(input: &[u8]) -> usize {
    input.first_chunk().map_or(usize::MAX, |length| u32::from_be_bytes(*length) as usize)
}

/// What Postgres makes of a startup packet.
struct Read {
    user: Vec<u8>,
    database: Vec<u8>,
    /// Something of what is refused on purpose: names that are cut, no text, given twice; too many parameters; replication.
    is_odd: bool,
}

/// `ProcessStartupPacket` of Postgres, in the little that matters: `None` where it is an error there.
/// <https://github.com/postgres/postgres/blob/REL_17_0/src/backend/tcop/backend_startup.c>
fn server_reads(input: &[u8]) -> Option<Read> {
    let length = length(input);
    if !(8..=4 + MAX_BODY_BYTES).contains(&length) || input[4..6] != [0, 3] {
        return None;
    }
    let body = input.get(8..length)?;
    let mut words = body.split(|byte| *byte == 0);
    let (mut parameters, mut used) = (Vec::new(), 0);
    loop {
        let name = words.next()?;
        used += name.len() + 1;
        if name.is_empty() {
            break;
        }
        let value = words.next()?;
        used += value.len() + 1;
        parameters.push((name, value));
    }
    if used != body.len() {
        return None;
    }
    let of = |wanted: &[u8]| parameters.iter().rev().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_vec());
    let times = |wanted: &[u8]| parameters.iter().filter(|(name, _)| *name == wanted).count();
    let user = of(b"user").filter(|user| !user.is_empty())?;
    let database = of(b"database").filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
    let known: [&[u8]; 5] = [b"user", b"database", b"application_name", b"options", b"replication"];
    let is_odd = known.iter().any(|name| times(name) > 1)
        || parameters.len() > MAX_PARAMETERS
        || of(b"replication").is_some()
        || [of(b"user"), of(b"database")]
            .into_iter()
            .flatten()
            .any(|name| name.len() > MAX_NAME_BYTES || std::str::from_utf8(&name).is_err());
    Some(Read { user, database, is_odd })
}

/// However the server's bytes are cut, the same is learnt; and it is what a walk over whole messages says.
pub fn login(input: &[u8]) {
    let mut choices = Choices(input);
    let ways = cuts(&mut choices);
    let bytes = choices.0;
    let [whole, cut, single] = ways.map(|sizes| {
        let (mut login, mut events) = (Login::default(), Vec::new());
        for piece in pieces(bytes, &sizes) {
            login.follow(piece, |event| events.push(event));
        }
        (events, login.is_over())
    });
    assert_eq!(cut, whole);
    assert_eq!(single, whole);
    assert_eq!(whole, messages(bytes));
}

/// The same, by whole messages.
fn messages(mut bytes: &[u8]) -> (Vec<Event>, bool) {
    let mut events = Vec::new();
    loop {
        let Some((&[kind, a, b, c, d], rest)) = bytes.split_first_chunk() else { return (events, false) };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let pid = rest.first_chunk().map(|pid| u32::from_be_bytes(*pid));
        let has_number = matches!(kind, b'K' | b'R');
        if has_number && pid.is_none() {
            return (events, false);
        }
        if length < if has_number { 8 } else { 4 } || length > 1 << 20 {
            return (events, true);
        }
        match (kind, pid) {
            (b'K', Some(pid)) => events.push(Event::ServerId(pid)),
            (b'R', Some(11)) if length > 8 && rest.get(4) == Some(&b'r') => events.push(Event::ProofWanted),
            (b'Z', _) => {
                events.push(Event::Ready);
                return (events, true);
            }
            (b'E', _) => {
                events.push(Event::Failed);
                return (events, true);
            }
            _ => {}
        }
        if let (b'K', Some(pid), Some(secret)) = (kind, pid, rest.get(4..length - 4))
            && (1..=256).contains(&secret.len())
        {
            events.push(Event::CancelKey(CancelKey { pid, secret: secret.to_vec() }));
        }
        let Some(next) = rest.get(length - 4..) else { return (events, false) };
        bytes = next;
    }
}

/// An answer to a proof passes as it is, but for one hint in one error; however it is cut.
pub fn proof(input: &[u8]) {
    let mut choices = Choices(input);
    let ways = cuts(&mut choices);
    let bytes = choices.0;
    let [whole, cut, single] = ways.map(|sizes| {
        let (mut proof, mut seen) = (Proof::default(), 0);
        for piece in pieces(bytes, &sizes) {
            seen += piece.len();
            if let Some(passed) = proof.server_sent(piece) {
                return [&passed, &bytes[seen..]].concat();
            }
            assert!(seen <= 8_192 + piece.len(), "{seen} bytes are held");
        }
        proof.unfinished()
    });
    assert_eq!(cut, whole);
    assert_eq!(single, whole);
    if whole == bytes {
        return;
    }
    let length = length(&bytes[1..]) + 1;
    let added = whole.len() - bytes.len();
    assert!(bytes[0] == b'E' && bytes[..length].windows(7).any(|field| field == b"C28000\0"));
    assert_eq!(whole[1..5], ((length - 1 + added) as u32).to_be_bytes());
    assert_eq!([&whole[5..length - 1], &whole[length - 1 + added..]].concat(), bytes[5..]);
    assert!(whole[length - 1..length - 1 + added].starts_with(b"H") && !bytes[5..length].starts_with(b"H"));
}

/// Only `S` alone starts TLS, and what the client has sent goes behind it as it is.
pub fn tls_request(input: &[u8]) {
    let steps = conversation(Choices(input));
    let mut request = TlsRequest::holding(Vec::new());
    let mut client = Vec::new();
    for step in steps {
        if step.actor == Actor::Client {
            client.extend_from_slice(step.bytes);
            assert_eq!(request.client_sent(step.bytes).is_err(), client.len() > MAX_HELD_BYTES);
            if client.len() > MAX_HELD_BYTES {
                return;
            }
            continue;
        }
        match request.server_sent(step.bytes) {
            None => assert!(step.bytes.is_empty()),
            Some(Ok(behind)) => return assert_eq!((step.bytes, behind), (&b"S"[..], client)),
            Some(Err(refusal)) => {
                assert_ne!(step.bytes, b"S");
                return assert_error_response(&refusal.as_postgres());
            }
        }
    }
}
