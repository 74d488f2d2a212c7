use super::*;

pub const CAPABILITIES: u32 = capability::REQUIRED
    | capability::SSL
    | capability::CONNECT_WITH_DB
    | capability::CONNECT_ATTRS
    | capability::PLUGIN_AUTH_LENENC;

pub fn payload(capabilities: u32, tail: &[u8]) -> Vec<u8> {
    let mut payload = capabilities.to_le_bytes().to_vec();
    payload.extend_from_slice(&[0, 0, 0, 1, 45]);
    payload.extend_from_slice(&[0; 19]);
    payload.extend_from_slice(&29_u32.to_le_bytes());
    payload.extend_from_slice(tail);
    payload
}

const TAIL: &[u8] = b"m\0\x03abcreports\0mysql_native_password\0\x12\x0cprogram_name\x04cron";

fn whole(bytes: &[u8]) -> Response {
    match read(bytes) {
        Reading::Whole(response) => *response,
        other => panic!("expected a response, found {other:?}"),
    }
}

fn errno(bytes: &[u8]) -> u16 {
    match read(bytes) {
        Reading::Refused(refusal, _) => refusal.errno,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[test]
fn user_database_and_program_name_are_read_wherever_it_is_cut() {
    let bytes = packet::framed(2, &payload(CAPABILITIES, TAIL));
    for end in 0..bytes.len() {
        assert_eq!(read(&bytes[..end]), Reading::NeedMore, "after {end} bytes");
    }
    let response = whole(&[&bytes[..], b"behind"].concat());
    let identity = &response.identity;
    assert_eq!(
        (identity.user.as_str(), identity.database.as_str(), identity.application_name.as_str()),
        ("m", "reports", "cron")
    );
    assert_eq!((response.sequence, response.bytes, response.mariadb_capabilities), (2, bytes.len(), 29));
}

#[test]
fn the_server_gets_no_password_no_tls_and_an_unknown_plugin() {
    let response = whole(&packet::framed(2, &payload(CAPABILITIES, TAIL)));
    let expected =
        payload(CAPABILITIES & !capability::SSL, b"m\0\0reports\0sluice_relay\0\x12\x0cprogram_name\x04cron");
    assert_eq!(response.for_server, expected);
}

#[test]
fn the_older_encoding_of_the_auth_response_is_read_too() {
    let capabilities = capability::REQUIRED;
    let response = whole(&packet::framed(1, &payload(capabilities, b"m\0\x02abplugin\0")));
    assert_eq!(response.for_server, payload(capabilities, b"m\0\0sluice_relay\0"));
    assert_eq!(response.identity.database, "");
}

#[test]
fn a_plugin_name_without_its_nul_ends_the_packet() {
    let response = whole(&packet::framed(1, &payload(capability::REQUIRED, b"m\0\0mysql_native_password")));
    assert!(response.for_server.ends_with(b"sluice_relay\0"));
}

#[test]
fn clients_that_the_relay_cannot_serve_are_refused() {
    let with = |capabilities| packet::framed(2, &payload(capabilities, TAIL));
    assert_eq!(errno(&with(CAPABILITIES | capability::COMPRESS)), 1043);
    assert_eq!(errno(&with(CAPABILITIES | capability::ZSTD)), 1043);
    assert_eq!(errno(&with(CAPABILITIES & !capability::PROTOCOL_41)), 1043);
    assert_eq!(errno(&with(CAPABILITIES & !capability::PLUGIN_AUTH)), 1251);
    assert_eq!(errno(&packet::framed(2, &payload(CAPABILITIES, b""))), 1043);
}

#[test]
fn lengths_that_lie_are_refused() {
    assert_eq!(errno(&[0xff, 0xff, 0xff, 2]), 1043);
    assert_eq!(errno(&[0, 0, 0, 2]), 1043);
    assert_eq!(errno(&[0, 0, 0, 7]), 1043);
    for tail in [
        &b"m\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff"[..],
        b"m\0\0reports",
        b"m\0\0reports\0p\0\x20\x01x",
        b"m\0\0r\0p\0\x02\x05x",
    ] {
        assert_eq!(errno(&packet::framed(2, &payload(CAPABILITIES, tail))), 1043);
    }
}

#[test]
fn names_that_are_no_text_are_refused() {
    assert_eq!(errno(&packet::framed(2, &payload(CAPABILITIES, b"\xff\0\0r\0p\0\0"))), 1043);
    assert_eq!(errno(&packet::framed(2, &payload(CAPABILITIES, b"m\0\0\xff\0p\0\0"))), 1043);
}

#[test]
fn names_that_the_server_would_read_otherwise_are_refused() {
    assert_eq!(errno(&packet::framed(2, &payload(CAPABILITIES, b"'m'\0\0r\0p\0\0"))), 1043);
    let mut latin1 = payload(CAPABILITIES, "m\u{e9}\0\0r\0p\0\0".as_bytes());
    assert_eq!(whole(&packet::framed(2, &latin1)).identity.user, "m\u{e9}");
    latin1[8] = 8;
    assert_eq!(errno(&packet::framed(2, &latin1)), 1043);
}

#[test]
fn the_server_is_told_no_capability_that_the_client_was_not_offered() {
    const QUERY_ATTRIBUTES: u32 = 1 << 27;
    let taken = CAPABILITIES & !capability::CLIENT_MYSQL;
    let response = whole(&packet::framed(2, &payload(taken | QUERY_ATTRIBUTES, TAIL)));
    let birth = Birth { offered: !QUERY_ATTRIBUTES, offered_mariadb: 13, ..Birth::default() };
    let within = response.clone().within(&birth);
    let flags = |payload: &[u8], at: usize| u32::from_le_bytes(payload[at..at + 4].try_into().unwrap());
    assert_eq!(flags(&response.for_server, 0), taken & !capability::SSL | QUERY_ATTRIBUTES);
    assert_eq!(flags(&within.for_server, 0), taken & !capability::SSL);
    assert_eq!(flags(&within.over_tls(), 0), taken);
    assert_eq!((flags(&within.for_server, 28), within.mariadb_capabilities), (13, 13));
    assert_eq!(within.for_server[32..], response.for_server[32..]);
}

#[test]
fn what_says_how_the_response_is_read_stays() {
    let response = whole(&packet::framed(2, &payload(CAPABILITIES | capability::CLIENT_MYSQL, TAIL)));
    assert_eq!(response.clone().within(&Birth::default()), response);
}
