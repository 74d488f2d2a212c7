//! Verdicts, refusals, configuration: what comes from the brain, and what is made for clients.

use serde_json::Value;
use sluice_core::birth::Birth;
use sluice_core::config::{self, MAX_DEADLINE_MS};
use sluice_core::cursor::{Cursor, bounded};
use sluice_core::mysql::capability;
use sluice_core::negotiation::Opening;
use sluice_core::refusal::{MAX_TEXT_BYTES, Refusal};
use sluice_core::verdict::{Claims, MAX_KILL_SESSION_MS, Verdict, judge};

use crate::pieces::Choices;

/// One whole ErrorResponse with the fields S, V, C, M and perhaps D and H, each once, nothing else.
pub fn assert_error_response(bytes: &[u8]) {
    let (head, body) = bytes.split_first_chunk::<5>().expect("an ErrorResponse");
    assert_eq!(head[0], b'E');
    assert_eq!(u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize, body.len() + 4);
    let fields = body.strip_suffix(&[0, 0]).expect("ends with its last field and a NUL");
    let kinds: Vec<u8> = fields.split(|byte| *byte == 0).map(|field| field[0]).collect();
    assert!(kinds.starts_with(b"SVCM") && matches!(&kinds[4..], b"" | b"D" | b"H" | b"DH"), "{kinds:?}");
    assert!(body.len() <= 64 + 3 * (MAX_TEXT_BYTES + 2));
    assert!(std::str::from_utf8(fields).is_ok());
}

/// Is this one whole ErrorResponse?
pub fn is_error_response(bytes: &[u8]) -> bool {
    matches!(bytes, [b'E', a, b, c, d, body @ ..] if u32::from_be_bytes([*a, *b, *c, *d]) as usize == body.len() + 4)
}

/// Is this one whole ERR packet?
pub fn is_err_packet(bytes: &[u8]) -> bool {
    matches!(bytes, [a, b, c, _, 0xff, rest @ ..] if u32::from_le_bytes([*a, *b, *c, 0]) as usize == rest.len() + 1)
}

/// One whole ERR packet, numbered `sequence`.
pub fn assert_err_packet(bytes: &[u8], sequence: u8) {
    let (head, payload) = bytes.split_first_chunk::<4>().expect("a packet");
    assert_eq!(u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize, payload.len());
    assert_eq!(head[3], sequence);
    assert_eq!((payload[0], payload[3]), (0xff, b'#'));
    assert!((9..=9 + MAX_TEXT_BYTES).contains(&payload.len()));
    assert!(payload[4..9].iter().all(|byte| byte.is_ascii_alphanumeric()));
}

/// Only a whole, unexpired grant for this connection grants; any refusal can be spoken.
pub fn verdict(input: &[u8]) {
    let mut choices = Choices(input);
    let now_ms = u64::from(choices.u32());
    let own = choices.text().unwrap_or_default();
    let number = |choices: &mut Choices<'_>| (choices.byte() < 255).then(|| f64::from_bits(choices.u64()));
    let claims = Claims {
        verdict: match choices.byte() % 8 {
            0 | 4 => Some("grant".to_owned()),
            1 | 5 => Some("refuse".to_owned()),
            7 => Some("kill".to_owned()),
            _ => choices.text(),
        },
        connection: if choices.byte() % 2 == 0 { Some(own.clone()) } else { choices.text() },
        expires_monotonic_ms: number(&mut choices),
        errno: number(&mut choices),
        cluster: choices.text(),
        sqlstate: choices.text(),
        message: choices.text(),
        detail: choices.text(),
        hint: choices.text(),
        upstream_tls: match choices.byte() % 3 {
            0 => None,
            1 => Some("request".to_owned()),
            _ => choices.text(),
        },
        life_ms: number(&mut choices),
    };
    let kills = claims.verdict.as_deref() == Some("kill");
    let granted = matches!(claims.verdict.as_deref(), Some("grant" | "kill"))
        && !own.is_empty()
        && claims.connection.as_deref() == Some(&own)
        && claims.cluster.as_deref().is_some_and(|cluster| !cluster.is_empty())
        && claims.expires_monotonic_ms.is_some_and(|expires| expires > now_ms as f64);
    let granted = granted && matches!(claims.upstream_tls.as_deref(), None | Some("request"));
    match judge(claims.clone(), &own, now_ms) {
        Verdict::Grant { cluster, expires_ms, asks_for_tls, only_kill } => {
            assert!(granted && Some(cluster) == claims.cluster);
            assert!(expires_ms >= now_ms && claims.expires_monotonic_ms.is_some_and(|ms| expires_ms as f64 <= ms));
            assert_eq!(only_kill.is_some(), kills);
            assert!(only_kill.as_ref().is_none_or(|kill| kill.life_ms <= MAX_KILL_SESSION_MS));
            if let Some(kill) = only_kill {
                assert_err_packet(&kill.instead.as_mysql(7), 7);
            }
            assert_eq!(asks_for_tls, claims.upstream_tls.is_some());
        }
        Verdict::Refuse(refusal) => {
            assert!(!granted);
            assert_error_response(&refusal.as_postgres());
            assert_err_packet(&refusal.as_mysql(7), 7);
            assert_ne!(refusal.errno, 0);
        }
    }
}

/// Any refusal is one well-formed message; no text can end it early.
pub fn refusal(input: &[u8]) {
    let mut choices = Choices(input);
    let sequence = choices.byte();
    let errno = choices.u16();
    let message = String::from_utf8_lossy(choices.bytes(usize::from(errno))).into_owned();
    let mut refusal = Refusal::new(b"53300", errno, message);
    refusal.detail = choices.text();
    refusal.hint = choices.text();
    assert_error_response(&refusal.as_postgres());
    assert_err_packet(&refusal.as_mysql(sequence), sequence);
}

/// A configuration that is accepted says only what is known, within its bounds.
pub fn config(input: &[u8]) {
    let keys = || match serde_json::from_slice(input) {
        Ok(Value::Object(fields)) => fields.keys().cloned().collect::<Vec<_>>(),
        other => panic!("accepted {other:?}"),
    };
    if let Ok(startup) = config::startup(input) {
        assert_eq!(keys(), ["deadline_ms", "listener", "protocol"]);
        assert!((1..=MAX_DEADLINE_MS).contains(&startup.deadline_ms));
        assert!((1..=64).contains(&startup.listener.len()) && !startup.listener.contains('\0'));
    }
    match config::handshake(input) {
        Ok(Opening::Postgres(_)) => assert_eq!(keys(), ["plaintext", "protocol"]),
        Ok(Opening::Mysql(_, greeting)) => {
            assert_eq!(keys(), ["greeting", "plaintext", "protocol"]);
            assert_eq!(greeting.capabilities & capability::REQUIRED, capability::REQUIRED);
            assert!(!greeting.version.contains('\0') && greeting.collation > 0);
            let made = sluice_core::mysql::greeting::make(&greeting, [0; 20], 0);
            assert!(sluice_core::mysql::greeting::read(&made[4..]).is_some());
        }
        Err(problem) => assert!(problem.starts_with("handshake"), "{problem}"),
    }
    if let Ok(session) = config::session(input) {
        assert_eq!(keys(), ["connect_grace_ms", "login_deadline_ms", "protocol"]);
        assert!((1..=MAX_DEADLINE_MS).contains(&session.login_deadline_ms));
    }
}

/// What one filter leaves for the other is read as it was meant.
pub fn birth(input: &[u8]) {
    if let Some(read) = Birth::from_text(&String::from_utf8_lossy(input)) {
        assert_eq!(Birth::from_text(&read.to_text()), Some(read));
    }
}

/// A read takes what it gives, a failed one nothing; a cut text is a beginning of the text.
pub fn cursor(input: &[u8]) {
    let mut choices = Choices(input);
    let reads = usize::from(choices.byte() % 32);
    let reads = choices.bytes(reads);
    let text = String::from_utf8_lossy(choices.0).into_owned();
    let mut cursor = Cursor::new(choices.0);
    for read in reads {
        let before = cursor.rest();
        let count = usize::from(read >> 3);
        let taken = match read & 7 {
            0 => cursor.take(count).map(<[u8]>::len),
            1 => cursor.u8().map(|_| 1),
            2 => cursor.u16_le().map(|_| 2),
            3 => cursor.u32_le().map(|_| 4),
            4 => cursor.u32_be().map(|_| 4),
            5 => cursor.until_nul().map(|text| text.len() + 1),
            6 => cursor.length_encoded().map(|_| match before[0] {
                0xfc => 3,
                0xfd => 4,
                0xfe => 9,
                _ => 1,
            }),
            _ => cursor.length_encoded_bytes().map(|bytes| {
                assert!(before.ends_with(&[bytes, cursor.rest()].concat()));
                before.len() - cursor.rest().len()
            }),
        };
        assert_eq!(before.len() - cursor.rest().len(), taken.unwrap_or(0));
        let cut = bounded(&text, count);
        assert!(cut.len() <= count && text.starts_with(cut) && (text.len() <= count || cut.len() + 4 > count));
    }
}
