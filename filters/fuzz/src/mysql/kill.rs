//! MySQL's KILL: what is taken for one, what is asked about it, and sessions that may do nothing else.

use sluice_core::mysql::find_session;
use sluice_core::mysql::kill::{self, Peeked};
use sluice_core::mysql::only_kill::OnlyKill;
use sluice_core::mysql::packet::{self, HEADER_BYTES};

use super::packets;
use crate::pieces::{Choices, cuts, pieces};

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
        assert!(!works(inner, inner.len() - behind_comments.len()), "a query, or a call: {payload:?}");
    }
    let behind = &bytes[whole.len()..];
    let waits = packet::header(behind).is_none_or(|(length, _)| behind.len() < HEADER_BYTES + length);
    assert!(refused || waits, "a whole command is kept");
}

/// May a server find a query in a KILL or a SET, or a function that is not one of the few? Before `from` are comments, or its beginning.
fn works(inner: &[u8], from: usize) -> bool {
    let inner = inner.to_ascii_uppercase();
    let text = &inner[from..];
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    let words = || text.split(|byte| !is_name(byte));
    if !words().any(|word| word == b"KILL" || word == b"SET") || !text.contains(&b'(') {
        return false;
    }
    words().any(|word| [&b"SELECT"[..], b"TABLE", b"VALUES"].contains(&word)) || calls(&inner, from)
}

/// Read from each bracket backwards.
fn calls(inner: &[u8], from: usize) -> bool {
    let ends_in_sign = |text: &[u8]| matches!(text.trim_ascii_end().last(), Some(b'=' | b',' | b'(' | b'+' | b'-'));
    let is_harmless = |before: &[u8]| {
        [&b"CONCAT"[..], b"IF", b"IFNULL", b"REPLACE"]
            .iter()
            .any(|name| before.trim_ascii_end().strip_suffix(*name).is_some_and(ends_in_sign))
    };
    let mut brackets = (from..inner.len()).filter(|at| inner[*at] == b'(');
    brackets.any(|at| !ends_in_sign(&inner[..at]) && !is_harmless(&inner[..at]))
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
