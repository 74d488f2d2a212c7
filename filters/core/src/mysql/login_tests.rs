use super::*;
use crate::config::Greeting;
use crate::mysql::capability;
use crate::mysql::greeting::make;
use crate::mysql::packet::framed;
use crate::mysql::response::{self, Reading};

const BIRTH: Birth = Birth { monotonic_ms: 0, unix_ms: 0, offered: u32::MAX, offered_mariadb: u32::MAX, front_id: 1 };

fn response() -> Response {
    let bytes = framed(2, &response::tests::payload(response::tests::CAPABILITIES, b"m\0\0r\0p\0\0"));
    match response::read(&bytes) {
        Reading::Whole(response) => *response,
        other => panic!("{other:?}"),
    }
}

fn server_greeting(capabilities: u32) -> Vec<u8> {
    make(&Greeting { version: "10.11".into(), capabilities, mariadb_capabilities: 29, collation: 45 }, [1; 20], 0)
}

fn switch(plugin: &[u8]) -> Vec<u8> {
    framed(2, &[&[SWITCH], plugin, b"\0salt\0"].concat())
}

/// Feeds the server's bytes in pieces; what the client reads, what was reported, how it ended.
fn serve(login: &mut Login, bytes: &[u8], piece: usize) -> (Vec<u8>, Vec<Event>, Result<(), Refusal>) {
    let (mut out, mut events) = (Vec::new(), Vec::new());
    for chunk in bytes.chunks(piece) {
        let result = login.server_sent(chunk, &mut out, |event| events.push(event));
        if result.is_err() {
            return (out, events, result);
        }
    }
    (out, events, Ok(()))
}

#[test]
fn a_login_is_relayed_with_the_numbers_shifted_wherever_it_is_cut() {
    for piece in 1..120 {
        let mut login = Login::new(&response(), &BIRTH);
        let server = [server_greeting(u32::MAX), switch(b"client_ed25519")].concat();
        let (out, events, result) = serve(&mut login, &server, piece);
        result.unwrap();
        assert_eq!((out, events), (framed(3, &switch(b"client_ed25519")[4..]), vec![Event::ServerId(0)]));
        let mut upstream = Vec::new();
        for chunk in framed(4, b"signature").chunks(piece) {
            login.client_sent(chunk, &mut upstream).unwrap();
        }
        assert_eq!(upstream, framed(3, b"signature"));
        let (out, events, _) = serve(&mut login, &framed(4, b"\0\0\0\x02\0\0\0"), piece);
        assert_eq!((out, events), (framed(5, b"\0\0\0\x02\0\0\0"), vec![Event::Ready]));
        assert!(login.is_over());
    }
}

#[test]
fn unasked_words_bear_the_number_that_the_client_reads_next() {
    let mut login = Login::new(&response(), &BIRTH);
    let next = |login: &Login| login.unasked_sequence();
    assert_eq!(next(&login), 3, "behind its response");
    serve(&mut login, &server_greeting(u32::MAX), 50).2.unwrap();
    assert_eq!(next(&login), 3);
    serve(&mut login, &switch(b"caching_sha2_password"), 50).2.unwrap();
    assert_eq!(next(&login), 5, "behind the proof that is due");
    login.client_sent(&framed(4, b"scramble")[..6], &mut Vec::new()).unwrap();
    assert_eq!(next(&login), 5, "behind the proof that has begun");
    serve(&mut login, &framed(4, &[MORE_DATA, 3]), 50).2.unwrap();
    assert_eq!(next(&login), 6, "behind a packet that asks for none");
}

#[test]
fn a_flood_of_small_packets_is_read_in_one_pass() {
    let mut login = Login::new(&response(), &BIRTH);
    serve(&mut login, &[server_greeting(u32::MAX), switch(b"caching_sha2_password")].concat(), 50).2.unwrap();
    let flood = framed(4, &[MORE_DATA, 3]).repeat(700_000);
    let begun = std::time::Instant::now();
    let (out, _, result) = serve(&mut login, &flood, flood.len());
    result.unwrap();
    assert_eq!(out.len(), flood.len());
    // A third of a second unoptimised; half a minute if what is left were moved behind each packet.
    assert!(begun.elapsed().as_secs() < 8, "{:?}", begun.elapsed());
}

#[test]
fn the_servers_own_refusal_reaches_the_client() {
    let mut login = Login::new(&response(), &BIRTH);
    let server = [server_greeting(u32::MAX), switch(b"mysql_native_password")].concat();
    serve(&mut login, &server, 7).2.unwrap();
    login.client_sent(&framed(4, b"scramble"), &mut Vec::new()).unwrap();
    let (out, events, _) = serve(&mut login, &framed(4, b"\xff\x15\x04#28000Access denied"), 3);
    assert_eq!((out, events), (framed(5, b"\xff\x15\x04#28000Access denied"), vec![Event::Failed(1045)]));
}

#[test]
fn an_error_instead_of_a_greeting_gets_a_number_and_a_sqlstate() {
    let mut login = Login::new(&response(), &BIRTH);
    let (out, events, _) = serve(&mut login, &framed(0, b"\xff\x10\x04Too many connections"), 5);
    assert_eq!((out, events), (framed(3, b"\xff\x10\x04#08004Too many connections"), vec![Event::Failed(1040)]));
}

#[test]
fn a_server_narrower_than_the_greeting_is_refused() {
    let mut login = Login::new(&response(), &BIRTH);
    let narrow = server_greeting(!capability::CONNECT_ATTRS);
    let refusal = serve(&mut login, &narrow, 9).2.unwrap_err();
    assert!(refusal.message.contains("0x100000"), "{}", refusal.message);
    assert_eq!(login.answer_sequence(), 3);
    // What the client took of its own accord, without being offered it, is its own affair.
    let mut login = Login::new(&response(), &Birth { offered: !capability::CONNECT_ATTRS, ..BIRTH });
    serve(&mut login, &narrow, 9).2.unwrap();
}

#[test]
fn the_password_is_never_asked_for_in_clear() {
    for plugin in [&b"mysql_clear_password"[..], b"dialog", b"sha256_password", b"mysql_old_password"] {
        let mut login = Login::new(&response(), &BIRTH);
        serve(&mut login, &server_greeting(u32::MAX), 50).2.unwrap();
        assert_eq!(serve(&mut login, &switch(plugin), 50).2.unwrap_err().errno, 1251);
    }
    let mut login = Login::new(&response(), &BIRTH);
    let server = [server_greeting(u32::MAX), switch(b"caching_sha2_password")].concat();
    serve(&mut login, &server, 50).2.unwrap();
    login.client_sent(&framed(4, &[7; 32]), &mut Vec::new()).unwrap();
    assert_eq!(serve(&mut login, &framed(4, &[MORE_DATA, 4]), 9).2.unwrap_err().errno, 1251);
    assert_eq!(login.answer_sequence(), 5);
}

#[test]
fn the_fast_path_of_caching_sha2_is_relayed() {
    let mut login = Login::new(&response(), &BIRTH);
    serve(&mut login, &[server_greeting(u32::MAX), switch(b"caching_sha2_password")].concat(), 50).2.unwrap();
    login.client_sent(&framed(4, &[7; 32]), &mut Vec::new()).unwrap();
    let server = [framed(4, &[MORE_DATA, 3]), framed(5, &[OK, 0, 0, 2, 0, 0, 0])].concat();
    let (out, events, _) = serve(&mut login, &server, 4);
    assert_eq!(out, [framed(5, &[MORE_DATA, 3]), framed(6, &[OK, 0, 0, 2, 0, 0, 0])].concat());
    assert_eq!(events, [Event::Ready]);
}

#[test]
fn a_command_behind_the_proof_does_not_slip_through() {
    let mut login = Login::new(&response(), &BIRTH);
    serve(&mut login, &[server_greeting(u32::MAX), switch(b"caching_sha2_password")].concat(), 50).2.unwrap();
    let mut upstream = Vec::new();
    let smuggled = [framed(4, b"proof"), framed(0, b"\x11root\0")].concat();
    assert_eq!(login.client_sent(&smuggled, &mut upstream).unwrap_err().errno, 1156);
    assert_eq!(upstream, framed(3, b"proof"));
}

#[test]
fn nothing_may_be_sent_before_the_server_asks() {
    let mut login = Login::new(&response(), &BIRTH);
    assert_eq!(login.client_sent(&framed(3, b"x"), &mut Vec::new()).unwrap_err().errno, 1156);
}

#[test]
fn a_command_in_the_place_of_the_proof_does_not_slip_through() {
    let mut login = Login::again(Secrecy::NoTlsToServer);
    let mut upstream = Vec::new();
    serve(&mut login, &framed(1, &switch(b"mysql_native_password")[4..]), 50).2.unwrap();
    assert_eq!(login.client_sent(&framed(0, b"\x11root\0"), &mut upstream).unwrap_err().errno, 1156);
    assert_eq!(upstream, b"");
}

#[test]
fn a_proof_that_is_too_long_is_answered_with_the_next_number() {
    let mut login = Login::new(&response(), &BIRTH);
    serve(&mut login, &[server_greeting(u32::MAX), switch(b"client_ed25519")].concat(), 50).2.unwrap();
    let too_long = [&(MAX_PACKET_BYTES as u32 + 1).to_le_bytes()[..3], &[4]].concat();
    assert_eq!(login.client_sent(&too_long, &mut Vec::new()).unwrap_err().errno, 1043);
    assert_eq!(login.answer_sequence(), 5);
}

#[test]
fn a_server_that_decides_within_a_packet_of_the_client_is_not_followed() {
    for begun in [&[9, 0, 0, 4][..], &[9, 0], &[9, 0, 0, 4, b'x']] {
        let mut login = Login::new(&response(), &BIRTH);
        serve(&mut login, &[server_greeting(u32::MAX), switch(b"client_ed25519")].concat(), 50).2.unwrap();
        login.client_sent(begun, &mut Vec::new()).unwrap();
        assert_eq!(serve(&mut login, &framed(4, &[OK, 0, 0]), 50).2.unwrap_err().errno, 1105);
    }
}

#[test]
fn a_server_that_is_no_mysql_is_told_apart() {
    for bytes in [&b"SSH-2.0-x\r\n"[..], &framed(0, b"\x09old\0"), &framed(0, b""), &[0xff; 9]] {
        let mut login = Login::new(&response(), &BIRTH);
        let failed = serve(&mut login, bytes, 3).2.is_err() || !login.is_over();
        assert!(failed);
    }
}

#[test]
fn bytes_behind_the_end_of_a_login_pass_as_they_are() {
    let mut login = Login::again(Secrecy::NoTlsToServer);
    let (out, _, _) = serve(&mut login, &[framed(1, &[OK, 0, 0]), b"behind".to_vec()].concat(), 100);
    assert_eq!(out, [framed(1, &[OK, 0, 0]), b"behind".to_vec()].concat());
}

fn over_tls(secrecy: Secrecy) -> Login {
    Login::over_tls(&response(), &BIRTH, secrecy)
}

#[test]
fn a_server_is_asked_for_tls_and_gets_the_response_behind_it() {
    let response = response();
    let request = response.ssl_request();
    assert_eq!((request.len(), &request[4..]), (32, &response.for_server[4..32]));
    assert_eq!(request[..4], (response.capabilities | capability::SSL).to_le_bytes());
    for piece in 1..100 {
        let mut login = over_tls(Secrecy::Tls);
        let (out, events, result) = serve(&mut login, &server_greeting(u32::MAX), piece);
        result.unwrap();
        assert_eq!((out, events), (vec![], vec![Event::ServerId(0), Event::TlsOffered]));
        assert_eq!(login.response(), Some(framed(2, &response.over_tls())));
        assert_eq!(login.response(), None);
        // Both sides have seen an SSLRequest: the numbers agree.
        let (out, _, _) = serve(&mut login, &framed(3, &switch(b"client_ed25519")[4..]), piece);
        assert_eq!(out, framed(3, &switch(b"client_ed25519")[4..]));
        let mut upstream = Vec::new();
        login.client_sent(&framed(4, b"signature"), &mut upstream).unwrap();
        assert_eq!(upstream, framed(4, b"signature"));
    }
}

#[test]
fn a_client_without_tls_is_one_number_behind_a_server_with_it() {
    let mut login = Login::over_tls(&Response { sequence: 1, ..response() }, &BIRTH, Secrecy::NoTlsFromClient);
    serve(&mut login, &server_greeting(u32::MAX), 9).2.unwrap();
    let (out, _, _) = serve(&mut login, &framed(3, &switch(b"mysql_native_password")[4..]), 9);
    assert_eq!(out, framed(2, &switch(b"mysql_native_password")[4..]));
    let mut upstream = Vec::new();
    login.client_sent(&framed(3, b"scramble"), &mut upstream).unwrap();
    assert_eq!(upstream, framed(4, b"scramble"));
}

#[test]
fn a_server_without_tls_gets_nothing_where_tls_is_wanted() {
    let mut login = over_tls(Secrecy::Tls);
    let mut greeting = server_greeting(u32::MAX);
    // The flag is in the lower half of the capabilities, behind version, id and the first part of the salt.
    let flags = 4 + 1 + b"10.11\0".len() + 4 + 9;
    greeting[flags + 1] &= !0x08;
    let refusal = serve(&mut login, &greeting, 50).2.unwrap_err();
    assert_eq!((&refusal.sqlstate, refusal.errno), (b"08006", 1105));
    assert!(refusal.message.contains("does not offer TLS"), "{}", refusal.message);
}

#[test]
fn an_error_in_clear_where_tls_is_wanted_is_not_repeated_and_ends_the_connection() {
    let mut login = over_tls(Secrecy::Tls);
    let (out, _, result) = serve(&mut login, &framed(0, b"\xff\x10\x04Too many connections"), 5);
    assert_eq!((&result.unwrap_err().sqlstate, out), (b"08006", vec![]));
}

#[test]
fn bytes_behind_a_greeting_that_tls_should_follow_are_refused() {
    let mut login = over_tls(Secrecy::Tls);
    let stuffed = [server_greeting(u32::MAX), switch(b"client_ed25519")].concat();
    let (out, events, result) = serve(&mut login, &stuffed, stuffed.len());
    assert!(result.unwrap_err().message.contains("more than its answer"));
    assert_eq!((out, events), (vec![], vec![Event::ServerId(0)]));
}

#[test]
fn a_password_goes_in_clear_only_where_tls_protects_both_ways() {
    let full = |secrecy| {
        let mut login = over_tls(secrecy);
        serve(&mut login, &server_greeting(u32::MAX), 50).2.unwrap();
        serve(&mut login, &framed(3, &switch(b"caching_sha2_password")[4..]), 50).2.unwrap();
        login.client_sent(&framed(4, &[7; 32]), &mut Vec::new()).unwrap();
        let asked = serve(&mut login, &framed(5, &[MORE_DATA, 4]), 9).2;
        (login, asked)
    };
    let (_, asked) = full(Secrecy::NoTlsFromClient);
    assert!(asked.unwrap_err().message.contains("came without TLS"));
    let (mut login, asked) = full(Secrecy::Tls);
    asked.unwrap();
    let mut upstream = Vec::new();
    login.client_sent(&framed(6, b"in clear\0"), &mut upstream).unwrap();
    assert_eq!(upstream, framed(6, b"in clear\0"));
    assert_eq!(login.client_sent(&framed(7, b"x"), &mut upstream).unwrap_err().errno, 1156);
    assert_eq!(serve(&mut login, &framed(7, &[OK, 0, 0, 2, 0, 0, 0]), 9).1, [Event::Ready]);
    for secrecy in [Secrecy::NoTlsFromClient, Secrecy::NoTlsToServer, Secrecy::Tls] {
        let mut login = Login::again(secrecy);
        let asked = serve(&mut login, &framed(1, &switch(b"sha256_password")[4..]), 50).2;
        assert_eq!(asked.is_ok(), secrecy == Secrecy::Tls);
    }
}
