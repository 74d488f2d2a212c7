//! The client's HandshakeResponse41: read for who it is, rewritten for the server behind.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html>,
//! <https://mariadb.com/kb/en/connection/#handshake-response-packet>

use super::packet::{self, HEADER_BYTES};
use super::{RELAY_PLUGIN, capability, name};
use crate::birth::Birth;
use crate::cursor::{Cursor, bounded};
use crate::identity::{Identity, MAX_APPLICATION_NAME_BYTES};
use crate::refusal::Refusal;

/// The longest response that is read. Drivers send some 300 bytes, most of it connection attributes.
pub const MAX_BYTES: usize = 16_384;
const SSL_REQUEST_BYTES: usize = 32;
/// Where MariaDB's extended capabilities are: the last of the fixed bytes.
const EXTENDED_AT: usize = 28;
/// More attributes than any driver sends.
pub const MAX_ATTRIBUTES: usize = 128;

/// A response, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Who says what. MySQL has no `options`; `application_name` is the attribute `program_name`.
    pub identity: Identity,
    /// The capabilities that the client took.
    pub capabilities: u32,
    /// MariaDB's extended ones.
    pub mariadb_capabilities: u32,
    /// The packet's number: 2 behind SSLRequest, 1 without TLS.
    pub sequence: u8,
    /// The packet's length on the wire.
    pub bytes: usize,
    /// The payload to send to a server: no TLS, no password, a plugin that no account uses.
    pub for_server: Vec<u8>,
}

impl Response {
    /// The response without what the client claims though the greeting did not offer it. A server takes from a client what it
    /// has itself, and there are clients that claim a flag always and act by the greeting: mysql2 says QUERY_ATTRIBUTES
    /// and sends none to a front that has not offered them.
    #[must_use]
    pub fn within(mut self, birth: &Birth) -> Self {
        self.capabilities &= birth.offered | !capability::BEHIND_THE_RESPONSE;
        let flags = (self.capabilities & !capability::SSL).to_le_bytes();
        self.for_server.iter_mut().zip(flags).for_each(|(byte, flag)| *byte = flag);
        if self.capabilities & capability::CLIENT_MYSQL == 0 {
            self.mariadb_capabilities &= birth.offered_mariadb;
            let extended = self.for_server.iter_mut().skip(EXTENDED_AT);
            extended.zip(self.mariadb_capabilities.to_le_bytes()).for_each(|(byte, flag)| *byte = flag);
        }
        self
    }

    /// The payload that asks a server for TLS: the beginning of a response, to be numbered 1.
    /// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_ssl_request.html>
    pub fn ssl_request(&self) -> Vec<u8> {
        let mut payload = self.over_tls();
        payload.truncate(SSL_REQUEST_BYTES);
        payload
    }

    /// [`Response::for_server`], for a server to which TLS stands.
    pub fn over_tls(&self) -> Vec<u8> {
        let mut payload = self.for_server.clone();
        let flags = (self.capabilities | capability::SSL).to_le_bytes();
        payload.iter_mut().zip(flags).for_each(|(byte, flag)| *byte = flag);
        payload
    }
}

/// What the first bytes after TLS are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// More bytes are needed to tell.
    NeedMore,
    /// A whole response.
    Whole(Box<Response>),
    /// Something that can't be served; answer with this sequence number.
    Refused(Refusal, u8),
}

/// Reads the response at the beginning of `bytes`.
pub fn read(bytes: &[u8]) -> Reading {
    let Some((length, sequence)) = packet::header(bytes) else { return Reading::NeedMore };
    let answer = sequence.wrapping_add(1);
    if length > MAX_BYTES || !(1..=2).contains(&sequence) {
        let why =
            format!("expected a handshake response of at most {MAX_BYTES} bytes, found {length}, packet {sequence}");
        return Reading::Refused(Refusal::protocol(why), answer);
    }
    let Some(payload) = bytes.get(HEADER_BYTES..HEADER_BYTES + length) else { return Reading::NeedMore };
    match parse(payload) {
        Ok((identity, capabilities, mariadb_capabilities, for_server)) => Reading::Whole(Box::new(Response {
            identity,
            capabilities,
            mariadb_capabilities,
            sequence,
            bytes: HEADER_BYTES + length,
            for_server,
        })),
        Err(refusal) => Reading::Refused(refusal, answer),
    }
}

type Parsed = (Identity, u32, u32, Vec<u8>);

fn parse(payload: &[u8]) -> Result<Parsed, Refusal> {
    let short = || Refusal::protocol("the handshake response ends early");
    let mut cursor = Cursor::new(payload);
    let capabilities = cursor.u32_le().ok_or_else(short)?;
    negotiable(capabilities, payload.len())?;
    // Largest packet, charset and 19 bytes of filler.
    let fixed = cursor.take(24).ok_or_else(short)?;
    let extended = cursor.u32_le().ok_or_else(short)?;
    let [_, _, _, _, charset, ..] = *fixed else { return Err(short()) };
    let charset = u16::from(charset);
    let is_mariadb = capabilities & capability::CLIENT_MYSQL == 0;

    let mut for_server = (capabilities & !capability::SSL).to_le_bytes().to_vec();
    for_server.extend_from_slice(fixed);
    for_server.extend_from_slice(&extended.to_le_bytes());

    let user = cursor.until_nul().ok_or_else(short)?;
    for_server.extend_from_slice(user);
    // The end of the name, and an auth response of no bytes: the same single 0 in each of its encodings.
    for_server.extend_from_slice(&[0, 0]);
    if capabilities & capability::PLUGIN_AUTH_LENENC != 0 {
        cursor.length_encoded_bytes().ok_or_else(short)?;
    } else {
        let length = cursor.u8().ok_or_else(short)?;
        cursor.take(usize::from(length)).ok_or_else(short)?;
    }
    let mut database: &[u8] = b"";
    if capabilities & capability::CONNECT_WITH_DB != 0 {
        database = cursor.until_nul().ok_or_else(short)?;
        for_server.extend_from_slice(database);
        for_server.push(0);
    }
    // Some clients end the packet with the name, without its NUL.
    if !cursor.rest().is_empty() && cursor.until_nul().is_none() {
        cursor = Cursor::new(b"");
    }
    for_server.extend_from_slice(RELAY_PLUGIN);
    for_server.push(0);
    for_server.extend_from_slice(cursor.rest());

    let mut application_name = String::new();
    if capabilities & capability::CONNECT_ATTRS != 0 && !cursor.rest().is_empty() {
        let attributes = cursor.length_encoded_bytes().ok_or_else(short)?;
        application_name =
            program_name(attributes).ok_or_else(|| Refusal::protocol("malformed connection attributes"))?;
    }
    if !cursor.rest().is_empty() {
        return Err(Refusal::protocol(format!("{} bytes follow the handshake response", cursor.rest().len())));
    }
    let identity = Identity {
        user: name::user(user, charset)?,
        database: name::database(database, charset)?,
        application_name,
        options: None,
    };
    Ok((identity, capabilities, if is_mariadb { extended } else { 0 }, for_server))
}

fn negotiable(capabilities: u32, length: usize) -> Result<(), Refusal> {
    if capabilities & capability::PROTOCOL_41 == 0 {
        return Err(Refusal::protocol("expected protocol 4.1, found an older client"));
    }
    if capabilities & capability::SSL != 0 && length == 32 {
        return Err(Refusal::protocol("expected a handshake response, found another request for encryption"));
    }
    if capabilities & capability::NEVER != 0 {
        return Err(Refusal::protocol("the client asks for compression, which was not offered"));
    }
    if capabilities & capability::REQUIRED != capability::REQUIRED {
        // ER_NOT_SUPPORTED_AUTH_MODE: the server's salt reaches the client by AuthSwitchRequest alone.
        return Err(Refusal::new(b"08004", 1251, "the client does not support pluggable authentication"));
    }
    Ok(())
}

fn program_name(attributes: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new(attributes);
    let mut found = String::new();
    for _ in 0..MAX_ATTRIBUTES {
        if cursor.rest().is_empty() {
            return Some(found);
        }
        let name = cursor.length_encoded_bytes()?;
        let value = cursor.length_encoded_bytes()?;
        if name == b"program_name" {
            found = bounded(&String::from_utf8_lossy(value), MAX_APPLICATION_NAME_BYTES).to_owned();
        }
    }
    cursor.rest().is_empty().then_some(found)
}

#[cfg(test)]
#[path = "response_tests.rs"]
pub(crate) mod tests;
