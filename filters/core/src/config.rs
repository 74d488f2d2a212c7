//! The filters' configuration: the JSON that Envoy makes of each filter's `google.protobuf.Struct`.
//!
//! A field that is not known, missing or out of range fails the whole configuration, so that a listener with a mistake in
//! it is rejected by Envoy instead of serving something else than was meant.

mod fields;

use self::fields::Fields;
use crate::mysql::capability;
use crate::negotiation::{Opening, Plaintext};

/// The database protocol of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Postgres, protocol 3.
    Postgres,
    /// MySQL and MariaDB, client/server protocol 10.
    Mysql,
}

impl Protocol {
    /// The word used in configuration and metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

/// What a MySQL listener says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// As the servers behind say it; clients switch behaviour on it.
    pub version: String,
    /// At most what every server behind can do.
    pub capabilities: u32,
    /// MariaDB's extended capabilities; 0 makes the greeting one of MySQL's.
    pub mariadb_capabilities: u32,
    /// The default collation's number.
    pub collation: u8,
}

/// Configuration of the `startup` filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupConfig {
    /// What is parsed.
    pub protocol: Protocol,
    /// The listener's name, reported with each connection.
    pub listener: String,
    /// How long a client may take from accept to the end of its startup message.
    pub deadline_ms: u64,
}

/// Configuration of the `session` filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionConfig {
    /// What is followed.
    pub protocol: Protocol,
    /// How long a login may take from the grant to the server's acceptance.
    pub login_deadline_ms: u64,
    /// How long after the grant's expiry the connection to the server may still come to stand.
    pub connect_grace_ms: u64,
}

/// The longest deadline; a connection without a check costs memory for as long.
pub const MAX_DEADLINE_MS: u64 = 600_000;
const MAX_NAME_BYTES: usize = 64;

/// Reads the configuration of `handshake`.
pub fn handshake(json: &[u8]) -> Result<Opening, String> {
    let mut fields = Fields::read("handshake", json)?;
    let protocol = fields.protocol()?;
    let plaintext = match fields.text("plaintext", 8)?.as_str() {
        "refuse" => Plaintext::Refuse,
        "allow" => Plaintext::Allow,
        other => return Err(format!("handshake.plaintext: expected \"refuse\" or \"allow\", found {other:?}")),
    };
    let opening = match protocol {
        Protocol::Postgres => Opening::Postgres(plaintext),
        Protocol::Mysql => Opening::Mysql(plaintext, greeting(fields.object("greeting")?)?),
    };
    fields.end()?;
    Ok(opening)
}

/// Reads the configuration of `startup`.
pub fn startup(json: &[u8]) -> Result<StartupConfig, String> {
    let mut fields = Fields::read("startup", json)?;
    let config = StartupConfig {
        protocol: fields.protocol()?,
        listener: fields.text("listener", MAX_NAME_BYTES)?,
        deadline_ms: fields.whole("deadline_ms", 1..=MAX_DEADLINE_MS)?,
    };
    fields.end()?;
    Ok(config)
}

/// Reads the configuration of `session`.
pub fn session(json: &[u8]) -> Result<SessionConfig, String> {
    let mut fields = Fields::read("session", json)?;
    let config = SessionConfig {
        protocol: fields.protocol()?,
        login_deadline_ms: fields.whole("login_deadline_ms", 1..=MAX_DEADLINE_MS)?,
        connect_grace_ms: fields.whole("connect_grace_ms", 0..=MAX_DEADLINE_MS)?,
    };
    fields.end()?;
    Ok(config)
}

fn greeting(mut fields: Fields) -> Result<Greeting, String> {
    let greeting = Greeting {
        version: fields.text("version", MAX_NAME_BYTES)?,
        capabilities: fields.whole("capabilities", 0..=u64::from(u32::MAX))? as u32,
        mariadb_capabilities: fields.whole("mariadb_capabilities", 0..=u64::from(u32::MAX))? as u32,
        collation: fields.whole("collation", 1..=255)? as u8,
    };
    let missing = capability::REQUIRED & !greeting.capabilities;
    if missing != 0 {
        let path = fields.path();
        return Err(format!(
            "{path}.capabilities: expected at least {:#x}, {missing:#x} is missing",
            capability::REQUIRED
        ));
    }
    fields.end()?;
    Ok(greeting)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: &str =
        r#"{"version":"5.5.5-10.11.0-MariaDB","capabilities":2148530702.0,"mariadb_capabilities":29,"collation":45}"#;

    #[test]
    fn whole_numbers_may_come_as_doubles() {
        let config = startup(br#"{"protocol":"postgres","listener":"pg","deadline_ms":1e4}"#).unwrap();
        assert_eq!(config.deadline_ms, 10_000);
        let json = format!(r#"{{"protocol":"mysql","plaintext":"refuse","greeting":{GREETING}}}"#);
        let Opening::Mysql(Plaintext::Refuse, greeting) = handshake(json.as_bytes()).unwrap() else {
            panic!("not MySQL")
        };
        assert_eq!((greeting.capabilities, greeting.collation), (2_148_530_702, 45));
    }

    #[test]
    fn every_mistake_is_named_with_its_path() {
        let cases: [(&[u8], &str); 8] = [
            (
                br#"{"protocol":"postgres","listener":"pg","deadline_ms":0}"#,
                "startup.deadline_ms: expected a whole number from 1 to 600000, found 0",
            ),
            (br#"{"protocol":"postgres","listener":"pg","deadline_ms":1.5}"#, "found 1.5"),
            (br#"{"protocol":"postgres","listener":"pg"}"#, "startup.deadline_ms: required, but missing"),
            (
                br#"{"protocol":"oracle","listener":"pg","deadline_ms":1}"#,
                "startup.protocol: expected \"postgres\" or \"mysql\", found \"oracle\"",
            ),
            (br#"{"protocol":"mysql","listener":"","deadline_ms":1}"#, "startup.listener: expected a text"),
            (
                br#"{"protocol":"mysql","listener":"l","deadline_ms":1,"deadlin_ms":2}"#,
                "startup.deadlin_ms: unknown field",
            ),
            (b"[]", "startup: expected an object"),
            (b"", "startup: expected a google.protobuf.Struct"),
        ];
        for (json, expected) in cases {
            let problem = startup(json).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn a_session_has_deadlines_for_its_connection_and_its_login() {
        let config = session(br#"{"protocol":"mysql","login_deadline_ms":3e4,"connect_grace_ms":250}"#).unwrap();
        let expected = SessionConfig { protocol: Protocol::Mysql, login_deadline_ms: 30_000, connect_grace_ms: 250 };
        assert_eq!(config, expected);
        let cases: [(&[u8], &str); 4] = [
            (br#"{"protocol":"mysql"}"#, "session.login_deadline_ms: required, but missing"),
            (br#"{"protocol":"mysql","login_deadline_ms":1}"#, "session.connect_grace_ms: required, but missing"),
            (br#"{"protocol":"mysql","login_deadline_ms":0}"#, "expected a whole number from 1 to 600000, found 0"),
            (
                br#"{"protocol":"mysql","login_deadline_ms":1,"connect_grace_ms":0,"more":1}"#,
                "session.more: unknown field",
            ),
        ];
        for (json, expected) in cases {
            let problem = session(json).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn a_postgres_listener_has_no_greeting_and_a_mysql_listener_needs_one() {
        let json = format!(r#"{{"protocol":"postgres","plaintext":"allow","greeting":{GREETING}}}"#);
        assert!(handshake(json.as_bytes()).unwrap_err().contains("greeting: unknown field"));
        assert!(handshake(br#"{"protocol":"mysql","plaintext":"allow"}"#).unwrap_err().contains("greeting: required"));
    }

    #[test]
    fn a_greeting_too_narrow_for_the_relay_is_rejected() {
        let json =
            format!(r#"{{"protocol":"mysql","plaintext":"allow","greeting":{}}}"#, GREETING.replace("2148530702", "1"));
        assert!(handshake(json.as_bytes()).unwrap_err().contains("greeting.capabilities: expected at least"));
    }
}
