//! The StartupMessage: who the client says he is.
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE>

use super::cancel::{self, CancelKey};
use super::{MAJOR_VERSION, code};
use crate::cursor::{Cursor, bounded};
use crate::identity::{Identity, MAX_APPLICATION_NAME_BYTES, MAX_OPTIONS_BYTES};
use crate::refusal::Refusal;

/// The longest startup packet that Postgres itself reads (`MAX_STARTUP_PACKET_LENGTH`), without its length word.
pub const MAX_BODY_BYTES: usize = 10_000;
/// More parameters than any driver sends; the server would look each of them up.
pub const MAX_PARAMETERS: usize = 64;

/// Postgres cuts longer names (`NAMEDATALEN`), and would log in somebody else than the check was asked about.
pub const MAX_NAME_BYTES: usize = 63;

const LENGTH_BYTES: usize = 4;

/// What the first bytes after TLS are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Startup {
    /// More bytes are needed to tell.
    NeedMore,
    /// A whole StartupMessage of this many bytes.
    Message {
        /// Who says what.
        identity: Identity,
        /// Its length on the wire.
        bytes: usize,
    },
    /// A whole CancelRequest of this many bytes.
    Cancel(CancelKey, usize),
    /// A CancelRequest that no server would act on. It gets no answer in this protocol.
    MalformedCancel,
    /// Something a server would not accept either.
    Refused(Refusal),
}

/// Reads the startup packet at the beginning of `bytes`.
pub fn read(bytes: &[u8]) -> Startup {
    let mut cursor = Cursor::new(bytes);
    let Some(length) = cursor.u32_be().map(|length| length as usize) else { return Startup::NeedMore };
    if !(LENGTH_BYTES + 4..=LENGTH_BYTES + MAX_BODY_BYTES).contains(&length) {
        return refused(format!(
            "expected a startup packet of 8 to {} bytes, found {length}",
            LENGTH_BYTES + MAX_BODY_BYTES
        ));
    }
    // Behind the length: whoever sends byte by byte is answered the same.
    if cancel::begins(bytes) {
        return match cancel::read(bytes) {
            cancel::Reading::NeedMore => Startup::NeedMore,
            cancel::Reading::Whole(request, bytes) => Startup::Cancel(request, bytes),
            cancel::Reading::Malformed => Startup::MalformedCancel,
        };
    }
    let Some(version) = cursor.u32_be() else { return Startup::NeedMore };
    match version {
        code::SSL_REQUEST | code::GSSENC_REQUEST => {
            return refused("expected a StartupMessage, found another request for encryption");
        }
        version if version >> 16 != MAJOR_VERSION => {
            return refused(format!("expected protocol {MAJOR_VERSION}, found {}.{}", version >> 16, version & 0xffff));
        }
        _ => {}
    }
    let Some(mut parameters) = cursor.take(length - 2 * LENGTH_BYTES).map(Cursor::new) else {
        return Startup::NeedMore;
    };
    match identity(&mut parameters) {
        Ok(identity) => Startup::Message { identity, bytes: length },
        Err(why) => refused(why),
    }
}

fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> Startup {
    Startup::Refused(Refusal::protocol(why))
}

fn identity(parameters: &mut Cursor<'_>) -> Result<Identity, String> {
    let [mut user, mut database, mut application_name, mut options, mut replication] = [None; 5];
    for _ in 0..=MAX_PARAMETERS {
        let name = parameters.until_nul().ok_or("a startup parameter is not terminated")?;
        if name.is_empty() {
            if !parameters.rest().is_empty() {
                return Err(format!("{} bytes follow the last startup parameter", parameters.rest().len()));
            }
            if !replication.is_none_or(stays_in_database) {
                return Err("physical replication is of no database; only replication=database is served".to_owned());
            }
            let user = required_text("user", user)?
                .filter(|user| !user.is_empty())
                .ok_or("no user name in the startup packet")?;
            let database = required_text("database", database)?.filter(|name| !name.is_empty()).unwrap_or(user);
            return Ok(Identity {
                user: user.to_owned(),
                database: database.to_owned(),
                application_name: reported_text(application_name, MAX_APPLICATION_NAME_BYTES).unwrap_or_default(),
                options: reported_text(options, MAX_OPTIONS_BYTES),
            });
        }
        let value = parameters.until_nul().ok_or("a startup parameter has no value")?;
        let known = match name {
            b"user" => &mut user,
            b"database" => &mut database,
            b"application_name" => &mut application_name,
            b"options" => &mut options,
            b"replication" => &mut replication,
            _ => continue,
        };
        // Postgres takes the last of two; whoever judges the first would judge somebody else.
        if known.replace(value).is_some() {
            return Err(format!("startup parameter {} is given twice", String::from_utf8_lossy(name)));
        }
    }
    Err(format!("more than {MAX_PARAMETERS} startup parameters"))
}

/// Does this value of `replication` leave the connection in the database that it names? Others make Postgres forget it and
/// show the whole cluster, or are none of its truth values.
fn stays_in_database(replication: &[u8]) -> bool {
    matches!(replication, b"database" | b"false" | b"off" | b"no" | b"0")
}

/// A name that is compared with the operator's: it must be text, or two different names could look the same.
fn required_text<'a>(name: &str, value: Option<&'a [u8]>) -> Result<Option<&'a str>, String> {
    let Some(value) = value else { return Ok(None) };
    if value.len() > MAX_NAME_BYTES {
        return Err(format!("startup parameter {name} has {} bytes; Postgres keeps {MAX_NAME_BYTES}", value.len()));
    }
    std::str::from_utf8(value).map(Some).map_err(|_| format!("startup parameter {name} is not UTF-8"))
}

fn reported_text(value: Option<&[u8]>, limit: usize) -> Option<String> {
    value.map(|value| bounded(&String::from_utf8_lossy(value), limit).to_owned())
}

#[cfg(test)]
#[path = "startup_tests.rs"]
mod tests;
