use super::*;

fn packet(parameters: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(8 + parameters.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0, 3, 0, 0]);
    bytes.extend_from_slice(parameters);
    bytes
}

fn accepted(parameters: &[u8]) -> Identity {
    let bytes = packet(parameters);
    for end in 0..bytes.len() {
        assert_eq!(read(&bytes[..end]), Startup::NeedMore, "after {end} bytes");
    }
    match read(&[&bytes[..], b"behind"].concat()) {
        Startup::Message { identity, bytes: length } if length == bytes.len() => identity,
        other => panic!("expected a message, found {other:?}"),
    }
}

fn refusal(bytes: &[u8]) -> String {
    match read(bytes) {
        Startup::Refused(refusal) => {
            assert_eq!(&refusal.sqlstate, b"08P01");
            refusal.message.into_owned()
        }
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[test]
fn user_database_application_name_and_options_are_read() {
    let identity =
        accepted(b"user\0checkout\0database\0orders\0application_name\0web\0options\0-c geqo=off\0TimeZone\0UTC\0\0");
    let expected = Identity {
        user: "checkout".into(),
        database: "orders".into(),
        application_name: "web".into(),
        options: Some("-c geqo=off".into()),
    };
    assert_eq!(identity, expected);
}

#[test]
fn the_database_is_the_users_where_none_is_named() {
    assert_eq!(accepted(b"user\0a\0\0").database, "a");
    assert_eq!(accepted(b"user\0a\0database\0\0\0").database, "a");
}

#[test]
fn replication_stays_in_the_database_that_the_check_sees() {
    for inside in ["database", "false", "off", "no", "0"] {
        assert_eq!(accepted(format!("user\0a\0replication\0{inside}\0\0").as_bytes()).user, "a");
    }
    for outside in ["true", "on", "1", "yes", "t", "TRUE", "physical", ""] {
        let parameters = format!("user\0a\0database\0d\0replication\0{outside}\0\0");
        assert!(refusal(&packet(parameters.as_bytes())).contains("physical replication"), "{outside:?}");
    }
    assert!(refusal(&packet(b"user\0a\0replication\0off\0replication\0on\0\0")).contains("twice"));
}

#[test]
fn names_that_postgres_would_cut_are_refused() {
    let with = |user: usize, database: usize| {
        packet(&[b"user\0", &vec![b'u'; user][..], b"\0database\0", &vec![b'd'; database], b"\0\0"].concat())
    };
    assert!(matches!(read(&with(63, 63)), Startup::Message { .. }));
    assert!(refusal(&with(64, 1)).contains("user has 64 bytes"));
    assert!(refusal(&with(1, 64)).contains("database has 64 bytes"));
}

#[test]
fn long_texts_are_cut_between_characters() {
    let identity = accepted(&[b"user\0a\0application_name\0".as_slice(), "ü".repeat(40).as_bytes(), b"\0\0"].concat());
    assert_eq!(identity.application_name, "ü".repeat(32));
    let identity = accepted(&[b"user\0a\0options\0".as_slice(), &[b'o'; 2000], b"\0\0"].concat());
    assert_eq!(identity.options.unwrap().len(), MAX_OPTIONS_BYTES);
}

#[test]
fn names_that_are_no_text_are_refused() {
    assert!(refusal(&packet(b"user\0\xff\0\0")).contains("UTF-8"));
    assert!(refusal(&packet(b"user\0a\0database\0\xc3\x28\0\0")).contains("UTF-8"));
    assert_eq!(accepted(b"user\0a\0application_name\0\xff\0\0").application_name, "\u{fffd}");
}

#[test]
fn a_user_must_be_named_once() {
    assert!(refusal(&packet(b"database\0a\0\0")).contains("no user"));
    assert!(refusal(&packet(b"user\0\0\0")).contains("no user"));
    assert!(refusal(&packet(b"user\0a\0user\0b\0\0")).contains("twice"));
}

#[test]
fn lengths_that_lie_are_refused_without_waiting() {
    assert!(refusal(&[0, 0, 0, 7]).contains("found 7"));
    assert!(refusal(&10_005_u32.to_be_bytes()).contains("found 10005"));
    assert!(refusal(&u32::MAX.to_be_bytes()).contains("found 4294967295"));
}

#[test]
fn unterminated_and_surplus_parameters_are_refused() {
    assert!(refusal(&packet(b"")).contains("not terminated"));
    assert!(refusal(&packet(b"user\0a\0")).contains("not terminated"));
    assert!(refusal(&packet(b"user\0a")).contains("no value"));
    assert!(refusal(&packet(b"user\0a\0\0\0")).contains("1 bytes follow"));
    assert!(refusal(&packet(&[b"x\0y\0".repeat(65), b"user\0a\0\0".to_vec()].concat())).contains("more than 64"));
}

#[test]
fn requests_that_are_no_startup_get_what_the_protocol_says() {
    let request = CancelKey { pid: 1, secret: vec![0, 0, 0, 2] };
    assert_eq!(read(&[0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2]), Startup::Cancel(request, 16));
    assert_eq!(read(&[0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1]), Startup::NeedMore);
    assert_eq!(read(&[0, 0, 0, 12, 4, 210, 22, 46, 0, 0, 0, 1]), Startup::MalformedCancel);
    assert!(refusal(&[0, 0, 0, 8, 4, 210, 22, 47]).contains("encryption"));
    assert!(refusal(&[0, 0, 0, 8, 0, 2, 0, 0]).contains("found 2.0"));
}

#[test]
fn a_cancel_request_whose_length_lies_is_answered_the_same_wherever_it_is_cut() {
    let lying = [0x3c, 0xea, 0x30, 0xfb, 4, 210, 22, 46, 0, 64, 101];
    for end in 4..=lying.len() {
        assert!(refusal(&lying[..end]).contains("found 1021980923"), "cut at {end}");
    }
}
