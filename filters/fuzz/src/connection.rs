//! Whole connections through the module: handshake, startup, check, session; both sides cut and interleaved as the input
//! says, with verdicts, alarms and closes between.

use std::collections::BTreeMap;

use sluice_core::birth::{self, Birth};
use sluice_core::mysql::kill::MAX_STATEMENT_BYTES;
use sluice_core::mysql::packet::{HEADER_BYTES, framed};
use sluice_core::mysql::response::MAX_BYTES;

use crate::envoy::{Fact, Opened, Place, Way, World, configured, open};
use crate::judge::{assert_err_packet, assert_error_response};
use crate::mysql::{admits_only, carried_out, packets, server_reads};
use crate::pieces::{Actor, Choices, Step, conversation};

const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
/// What the filters may keep of one direction, beyond what Envoy's own buffer has: an early startup message or response with
/// what came behind it, a packet of a login, an error with its header.
const MAX_KEPT_BYTES: usize = 65_536 + 8;

/// The beginning of what may be a KILL.
const MAX_UNDECIDED_BYTES: usize = HEADER_BYTES + 1 + MAX_STATEMENT_BYTES;

/// A connection under way, and what each side has said of it.
struct Played {
    world: Box<World>,
    client: Vec<u8>,
    server: Vec<u8>,
    granted: bool,
    asked_for_tls: bool,
    /// For KILL alone.
    kills: bool,
    /// Of (client, to_server, server, to_client): how long each was when the login was over.
    at_login: Option<[usize; 4]>,
    /// Something else than the two sides ended or may end it.
    disturbed: bool,
}

impl Played {
    fn new(protocol: &'static str, is_tls: bool, chunk: usize, state: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            world: World::new(configured(protocol), is_tls, chunk, state),
            client: Vec::new(),
            server: Vec::new(),
            granted: false,
            asked_for_tls: false,
            kills: false,
            at_login: None,
            disturbed: false,
        }
    }

    fn client_sends(&mut self, bytes: &[u8]) {
        if self.world.is_open() && !self.world.client_has_ended() {
            self.client.extend(bytes);
            self.world.client_sends(bytes, false);
        }
        self.settle();
    }

    fn server_sends(&mut self, bytes: &[u8]) {
        // No server speaks to a connection that was not made.
        if self.world.is_open() && !self.world.to_server.borrow().is_empty() {
            self.server.extend(bytes);
            self.world.server_sends(bytes, false);
        }
        self.settle();
    }

    fn grant(&mut self, verdict: &str, cluster: &str, expires_ms: f64, tls: bool) {
        if !self.world.is_checked() || self.granted {
            return;
        }
        let Some(own) = self.world.fact("connection") else { panic!("checked without an id") };
        let mut facts = vec![
            ("verdict", Fact::Text(verdict.to_owned())),
            ("connection", own),
            ("cluster", Fact::Text(cluster.to_owned())),
            ("expires_monotonic_ms", Fact::Number(sluice_abi::monotonic_ms() as f64 + expires_ms)),
        ];
        if tls {
            facts.push(("upstream_tls", Fact::Text("request".to_owned())));
        }
        if verdict == "kill" {
            facts.push(("errno", Fact::Number(1040.0)));
            facts.push(("message", Fact::Text("full".to_owned())));
            facts.push(("life_ms", Fact::Number(600_000.0)));
        }
        self.kills = verdict == "kill";
        self.granted = cluster == "service/known" && expires_ms > 0.0;
        self.asked_for_tls = tls;
        self.world.verdict_comes(&facts);
        self.settle();
    }

    fn other(&mut self, step: &[u8]) {
        let world = &self.world;
        match step.first().copied().unwrap_or_default() % 16 {
            2 => return self.grant("kill", "service/known", 600_000.0, step.get(1) == Some(&1)),
            0 | 1 => return self.grant("grant", "service/known", 600_000.0, false),
            3 | 4 => return self.grant("grant", "service/known", 600_000.0, true),
            5 if !self.granted => world.verdict_comes(&[
                ("verdict", Fact::Text("refuse".to_owned())),
                ("sqlstate", Fact::Text("53300".to_owned())),
                ("errno", Fact::Number(1040.0)),
                ("message", Fact::Text("full".to_owned())),
            ]),
            6 => return self.grant("grant", "service/known", -1.0, false),
            7 => return self.grant("grant", "service/unknown", 600_000.0, false),
            8 if !self.granted => {
                let cancel = ("verdict", Fact::Text("cancel".to_owned()));
                world.verdict_comes(if step.get(1) == Some(&0) { &[] } else { std::slice::from_ref(&cancel) });
            }
            9 => world.way.set(Way::Connected),
            10 if step.get(1) == Some(&0) => world.answers(None),
            10 if step.len() > 1 => world.answers(step.get(2..)),
            10 => world.way.set(Way::Failed),
            11 => world.rings(Place::Startup, 1),
            12 => {
                world.rings(Place::Session, 2);
                world.rings(Place::Session, 5);
            }
            13 => {
                world.rings(Place::Session, 3);
                world.rings(Place::Session, 4);
                if step.get(1) == Some(&5) {
                    world.rings(Place::Session, 6);
                    self.disturbed |= self.kills;
                }
                world.rings(Place::Startup, u64::MAX);
                world.rings(Place::Session, u64::MAX);
            }
            14 => {
                world.client_sends(b"", true);
                self.disturbed = true;
            }
            _ => {
                match step.get(1) {
                    Some(0) => world.envoy_closes(),
                    _ => world.server_sends(b"", true),
                }
                self.disturbed = true;
            }
        }
        self.settle();
    }

    /// What holds after every step.
    fn settle(&mut self) {
        let (to_server, to_client) = (self.world.to_server.borrow(), self.world.to_client.borrow());
        assert!(self.granted || to_server.is_empty(), "bytes reach a server without a grant");
        assert!(self.granted || self.server.is_empty());
        if self.world.is_open() && self.granted {
            let kept = (self.client.len() - self.world.waiting_to_be_read()).saturating_sub(to_server.len());
            assert!(kept <= MAX_KEPT_BYTES, "{kept} bytes of the client are kept");
            let kept = self.server.len().saturating_sub(to_client.len());
            assert!(kept <= MAX_KEPT_BYTES, "{kept} bytes of the server are kept");
        }
        if !self.granted {
            let waiting = self.world.waiting_to_be_read();
            assert!(
                !self.world.is_open() || waiting <= MAX_BYTES + 4 + 16_384 + 512,
                "{waiting} bytes wait for a check"
            );
        }
        if self.at_login.is_none() && self.world.fact("login") == Some(Fact::Text("ok".to_owned())) {
            self.at_login = Some([self.client.len(), to_server.len(), self.server.len(), to_client.len()]);
        }
    }

    fn play(&mut self, steps: &[Step<'_>]) {
        for step in steps {
            // What filters have committed comes with the worker's next turn: before the next bytes, or behind some more.
            if step.bytes.len() % 4 != 3 {
                self.world.turn();
                self.settle();
            }
            match step.actor {
                Actor::Client => self.client_sends(step.bytes),
                Actor::Server => self.server_sends(step.bytes),
                Actor::Other => self.other(step.bytes),
            }
        }
        self.world.turn();
        self.settle();
        self.reported();
    }

    /// What the check and the access log are told has its bounds.
    fn reported(&self) {
        for (name, most) in [("user", 512), ("database", 256), ("application_name", 64), ("options", 1024)] {
            match self.world.fact(name) {
                Some(Fact::Text(text)) => assert!(text.len() <= most, "{name} of {} bytes", text.len()),
                None => {}
                other => panic!("{name}: {other:?}"),
            }
        }
        // A cancel key is for the brain alone; what is told at the end is told to whoever reads access logs.
        if !self.world.is_open() {
            let key = self.world.fact("cancel_key");
            assert!(key.is_none_or(|key| key == Fact::Text(String::new())), "a cancel key is left");
        }
        assert_eq!(self.world.is_checked(), self.world.fact("connection").is_some());
    }
}

/// Begins a connection as the input says: through `handshake`, behind it, or with `prologue` of a session that is served.
fn begun<'a>(
    protocol: &'static str,
    input: &'a [u8],
    prologue: impl FnOnce(&mut Played, bool),
) -> Option<(Played, Vec<Step<'a>>)> {
    let mut choices = Choices(input);
    let flags = choices.byte();
    let chunk = [usize::MAX, 1, 3, 64][usize::from(flags >> 4 & 3)];
    let steps = conversation(choices);
    if flags & 1 == 1 {
        let born = Birth { monotonic_ms: sluice_abi::monotonic_ms(), offered: u32::MAX, ..Birth::default() };
        let state = BTreeMap::from([(birth::KEY.to_owned(), born.to_text().into_bytes())]);
        let mut played = Played::new(protocol, flags & 2 == 2, chunk, state);
        if flags & 4 == 4 {
            prologue(&mut played, flags & 8 == 8);
        }
        return Some((played, steps));
    }
    let mut at = 0;
    let (socket, opened) = open(configured(protocol), || {
        let step = steps.get(at)?;
        at += 1;
        Some(if step.actor == Actor::Client { step.bytes } else { b"" })
    });
    let Opened::Passed { left, state } = opened else {
        return None;
    };
    let is_tls = left.first() == Some(&0x16);
    assert!(is_tls || socket.taken.get() == 0 || protocol == "postgres", "plaintext behind a request for TLS");
    let mut played = Played::new(protocol, is_tls, chunk, state);
    if !is_tls {
        played.client_sends(&left);
    }
    Some((played, steps.get(at..).unwrap_or_default().to_vec()))
}

/// What `to_client` has beyond the beginning that it shares with `said`.
fn beyond<'a>(to_client: &'a [u8], said: &[u8]) -> &'a [u8] {
    let shared = to_client.iter().zip(said).take_while(|(passed, said)| passed == said).count();
    &to_client[shared..]
}

/// The same, where a message of ours is what is beyond: its first bytes may be what the server had said next.
fn message_beyond<'a>(to_client: &'a [u8], said: &[u8]) -> &'a [u8] {
    let rest = beyond(to_client, said);
    let shared = to_client.len() - rest.len();
    let is_message = |bytes: &&[u8]| match bytes {
        [b'E', a, b, c, d, body @ ..] => u32::from_be_bytes([*a, *b, *c, *d]) as usize == body.len() + 4,
        _ => false,
    };
    (0..=shared).rev().map(|at| &to_client[at..]).take(16).find(is_message).unwrap_or(rest)
}

/// Of a Postgres session not a byte is invented, lost or changed; TLS comes before the client's first byte where it was asked
/// for; a client reads the server's words and at most one refusal.
pub fn postgres(input: &[u8]) {
    let served = |played: &mut Played, _: bool| {
        played.client_sends(b"\0\0\0\x21\0\x03\0\0user\0checkout\0database\0d\0\0");
        played.grant("grant", "service/known", 600_000.0, false);
    };
    let Some((mut played, steps)) = begun("postgres", input, served) else { return };
    let is_served = played.granted;
    played.play(&steps);
    let Played { world, client, server, .. } = &played;
    let (to_server, to_client) = (world.to_server.borrow(), world.to_client.borrow());
    let mut said = &server[..];
    if played.granted && played.asked_for_tls {
        let (request, behind) = to_server.split_at(to_server.len().min(SSL_REQUEST.len()));
        assert!(request == SSL_REQUEST || (to_server.is_empty() && !world.is_open()), "{request:?}");
        assert!(behind.is_empty() || world.in_clear.get() == Some(SSL_REQUEST.len()), "in clear: {behind:?}");
        assert!(client.starts_with(behind));
        match world.in_clear.get() {
            Some(_) => said = server.strip_prefix(b"S").expect("TLS starts on S alone"),
            None => said = b"",
        }
    } else {
        assert!(client.starts_with(&to_server), "the server reads what the client never sent");
        let passed = to_server.len() + world.waiting_to_be_read();
        assert!(!played.granted || !world.is_open() || passed == client.len(), "bytes of the client are lost");
        assert_eq!(world.in_clear.get(), None);
    }
    let rest = beyond(&to_client, said);
    let refusal = if rest.is_empty() { rest } else { message_beyond(&to_client, said) };
    let hinted = refusal.windows(23).any(|text| text == b"channel_binding=disable");
    if !refusal.is_empty() && !hinted {
        assert_error_response(refusal);
        assert!(!world.is_open(), "a refusal, and on it goes");
    }
    if is_served && !played.disturbed && world.way.get() != Way::Failed {
        assert!(world.is_open() && refusal.is_empty(), "a sound session is refused: {:?}", world.closed.borrow());
    }
}

/// The greeting of the server in a prologue, with every capability.
fn server_greeting() -> Vec<u8> {
    let mut payload = b"\x0a11.4\0\x07\0\0\0saltsalt\0".to_vec();
    payload.extend(b"\xff\xff\x2d\x02\0\xff\xff\x15\0\0\0\0\0\0\xff\xff\xff\xffsaltsaltsalt\0mysql_native_password\0");
    framed(0, &payload)
}

/// Is this what a session for KILL alone may ask of a server, or what is asked in its place?
fn of_a_kill_session(payload: &[u8]) -> bool {
    let text = match payload {
        [1 | 2 | 9 | 12 | 14, ..] => return true,
        [3, 0, 1, text @ ..] | [3, text @ ..] => text.to_ascii_uppercase(),
        _ => return false,
    };
    if text.starts_with(b"SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT") {
        return true;
    }
    let text = text.trim_ascii();
    let text = text.strip_suffix(b";").unwrap_or(text);
    let has = |word: &[u8]| text.windows(word.len()).any(|at| at == word);
    let begins = |word: &[u8]| {
        text.starts_with(word) || text.starts_with(b"/*") || text.starts_with(b"--") || text.starts_with(b"#")
    };
    let begins_set_statement = text.starts_with(b"SET STATEMENT ");
    !has(b"/*!")
        && !has(b"/*M!")
        && !begins_set_statement
        && (!has(b"SELECT") || (has(b"@@") && !has(b"(")))
        && [&b"KILL"[..], b"SET", b"SELECT", b"SHOW"].into_iter().any(begins)
}

/// Was the server told that the session is over?
fn leaves(passed: &[u8]) -> bool {
    passed.ends_with(b"\x01\0\0\0\x01")
}

/// A MySQL client is one user from first to last, and proves it to the server alone; after login packets pass untouched.
pub fn mysql(input: &[u8]) {
    let served = |played: &mut Played, kills: bool| {
        let mut response = 0x0008_a200_u32.to_le_bytes().to_vec();
        response.extend([0, 0, 0, 1, 45]);
        response.extend([0; 23]);
        response.extend(b"m\0\0mysql_native_password\0");
        played.client_sends(&framed(2, &response));
        played.grant(if kills { "kill" } else { "grant" }, "service/known", 600_000.0, false);
        played.server_sends(&server_greeting());
        played.server_sends(&framed(2, b"\xfemysql_native_password\0saltsaltsaltsaltsalt\0"));
        played.client_sends(&framed(4, b"proofproofproofproof"));
        played.server_sends(&framed(4, b"\0\0\0\x02\0\0\0"));
        assert!(played.at_login.is_some(), "a sound login is refused");
    };
    let Some((mut played, steps)) = begun("mysql", input, served) else { return };
    let is_served = played.granted;
    played.play(&steps);
    let Played { world, client, server, .. } = &played;
    let (to_server, to_client) = (world.to_server.borrow(), world.to_client.borrow());
    let mut sent = packets(&to_server).into_iter();
    let mut first = sent.next();
    if played.granted && played.asked_for_tls {
        if let Some((number, request)) = first {
            assert_eq!((number, request.len(), request[1] & 8), (1, 32, 8), "TLS is asked for first");
        }
        assert!(to_server.len() <= 36 || world.in_clear.get() == Some(36), "in clear behind the request for TLS");
        first = sent.next();
    }
    if let Some((_, response)) = first {
        let (user, database) = server_reads(response, played.asked_for_tls).expect("a response that proves nothing");
        let named =
            |name| world.fact(name) == Some(Fact::Text(if name == "user" { user } else { database }.to_owned()));
        assert!(named("user") && named("database"), "the server reads {user:?}, {database:?}");
    }
    let Some([client_at, to_server_at, server_at, to_client_at]) = played.at_login else {
        let refused_by_server = world.fact("login").is_some();
        if !world.is_open() && !to_client.is_empty() && !played.disturbed && !refused_by_server {
            // All that the client was sent are whole packets, its refusal the last.
            let whole = packets(&to_client);
            let (number, payload) = whole.last().expect("a packet");
            assert_err_packet(&framed(*number, payload), *number);
            assert_eq!(to_client.len(), whole.iter().map(|(_, payload)| payload.len() + 4).sum::<usize>());
        }
        return;
    };
    let (commands, passed) = (&client[client_at..], &to_server[to_server_at..]);
    let (said, read) = (&server[server_at..], &to_client[to_client_at..]);
    if played.kills {
        for (number, payload) in packets(passed) {
            assert!(number == 0 && of_a_kill_session(payload), "more than KILL: {payload:?}");
        }
        let refusal = beyond(read, said);
        assert!(refusal.is_empty() || !world.is_open() || leaves(passed), "a refusal, and on it goes");
    } else if !commands.contains(&0x11) && !world.has_asked() {
        assert!(commands.starts_with(passed), "the server reads what the client never sent");
        assert!(
            !world.is_open() || commands.len() - passed.len() <= MAX_UNDECIDED_BYTES,
            "bytes of the client are lost"
        );
        let refusal = beyond(read, said);
        assert!(refusal.is_empty() || !world.is_open(), "the client reads what the server never said");
        if is_served && !played.disturbed && world.way.get() != Way::Failed {
            assert!(world.is_open() && refusal.is_empty(), "a sound session is refused");
        }
    }
    let Some(Fact::Text(user)) = world.fact("user") else { panic!("nobody") };
    let passed = packets(passed);
    for patience in [0, 1, 254, 255, 256, 70_000] {
        if let Some(which) = carried_out(&passed, patience) {
            assert!(admits_only(&user, passed[which].1), "another user: {:?}", passed[which]);
        }
    }
}
