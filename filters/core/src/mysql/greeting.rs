//! The server's first packet, HandshakeV10: made for clients, read from servers.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html>,
//! <https://mariadb.com/kb/en/connection/#initial-handshake-packet>

use super::{capability, packet};
use crate::config::Greeting;
use crate::cursor::Cursor;
use crate::refusal::Refusal;

/// The scramble of the front's greeting. Nothing is ever proven against it, but clients want one.
pub type Salt = [u8; 20];

const PROTOCOL_VERSION: u8 = 10;
const STATUS_AUTOCOMMIT: u16 = 2;
const TOO_MANY_CONNECTIONS: u16 = 1040;

/// Capabilities as the greeting announces them: `(shared, MariaDB's extended ones)`.
pub fn offered(greeting: &Greeting) -> (u32, u32) {
    let shared = (greeting.capabilities | capability::SSL) & !capability::NEVER;
    match greeting.mariadb_capabilities {
        0 => (shared | capability::CLIENT_MYSQL, 0),
        extended => (shared & !capability::CLIENT_MYSQL, extended),
    }
}

/// The front's greeting as a packet; `front_id` is what its client will call its session ([`super::kill`]). NULs in `salt` would end it early for some clients and are replaced.
pub fn make(greeting: &Greeting, mut salt: Salt, front_id: u32) -> Vec<u8> {
    for byte in &mut salt {
        *byte = (*byte % 127) + 1;
    }
    let (shared, extended) = offered(greeting);
    let [low, high] = [shared as u16, (shared >> 16) as u16];
    let (first, second) = salt.split_at(8);
    let mut payload = vec![PROTOCOL_VERSION];
    payload.extend_from_slice(greeting.version.as_bytes());
    payload.push(0);
    payload.extend_from_slice(&front_id.to_le_bytes());
    payload.extend_from_slice(first);
    payload.push(0);
    payload.extend_from_slice(&low.to_le_bytes());
    payload.push(greeting.collation);
    payload.extend_from_slice(&STATUS_AUTOCOMMIT.to_le_bytes());
    payload.extend_from_slice(&high.to_le_bytes());
    payload.push(salt.len() as u8 + 1);
    payload.extend_from_slice(&[0; 6]);
    payload.extend_from_slice(&extended.to_le_bytes());
    payload.extend_from_slice(second);
    payload.push(0);
    payload.extend_from_slice(b"mysql_native_password\0");
    packet::framed(0, &payload)
}

/// What matters of a server's greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerGreeting {
    /// The server's own id of the connection, as in its process list.
    pub connection_id: u32,
    /// Its capabilities.
    pub capabilities: u32,
    /// MariaDB's extended ones; 0 where it is not MariaDB.
    pub mariadb_capabilities: u32,
}

/// Reads the payload of a server's greeting.
pub fn read(payload: &[u8]) -> Option<ServerGreeting> {
    let mut cursor = Cursor::new(payload);
    if cursor.u8()? != PROTOCOL_VERSION {
        return None;
    }
    cursor.until_nul()?;
    let connection_id = cursor.u32_le()?;
    cursor.take(9)?;
    let low = cursor.u16_le()?;
    // Charset and status.
    cursor.take(3)?;
    let high = cursor.u16_le()?;
    // Length of the scramble and filler.
    cursor.take(7)?;
    let extended = cursor.u32_le()?;
    let capabilities = u32::from(low) | u32::from(high) << 16;
    let is_mariadb = capabilities & capability::CLIENT_MYSQL == 0;
    Some(ServerGreeting { connection_id, capabilities, mariadb_capabilities: if is_mariadb { extended } else { 0 } })
}

/// Reads the payload of an error that comes instead of a greeting, such as "Too many connections". It bears no SQLSTATE,
/// since nothing is negotiated yet, but the client that is to read it has negotiated one.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html>
pub fn early_error(payload: &[u8]) -> Option<Refusal> {
    let mut cursor = Cursor::new(payload);
    cursor.u8().filter(|first| *first == 0xff)?;
    let errno = cursor.u16_le()?;
    let (sqlstate, text) = match cursor.rest() {
        [b'#', a, b, c, d, e, text @ ..] => ([*a, *b, *c, *d, *e], text),
        text if errno == TOO_MANY_CONNECTIONS => (*b"08004", text),
        text => (*b"HY000", text),
    };
    Some(Refusal::new(&sqlstate, errno, String::from_utf8_lossy(text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(mariadb_capabilities: u32) -> Greeting {
        Greeting {
            version: "5.5.5-10.11.0-MariaDB".into(),
            capabilities: u32::MAX,
            mariadb_capabilities,
            collation: 45,
        }
    }

    #[test]
    fn what_is_made_can_be_read() {
        let bytes = make(&config(29), [0; 20], 4_026_531_841);
        let (length, sequence) = packet::header(&bytes).unwrap();
        assert_eq!((length + 4, sequence), (bytes.len(), 0));
        let read = read(&bytes[4..]).unwrap();
        assert_eq!((read.connection_id, read.mariadb_capabilities), (4_026_531_841, 29));
        assert_eq!(read.capabilities, offered(&config(29)).0);
    }

    #[test]
    fn tls_is_always_offered_and_compression_never() {
        let (shared, _) = offered(&Greeting { capabilities: capability::REQUIRED, ..config(0) });
        assert_eq!(shared & capability::SSL, capability::SSL);
        assert_eq!(offered(&config(0)).0 & capability::NEVER, 0);
    }

    #[test]
    fn the_first_bit_says_which_flavour_it_is() {
        assert_eq!(offered(&config(29)).0 & capability::CLIENT_MYSQL, 0);
        assert_eq!(offered(&config(0)).0 & capability::CLIENT_MYSQL, 1);
    }

    #[test]
    fn the_salt_has_no_nul() {
        let salts = make(&config(0), [0, 127, 254, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], 1);
        let version_end = 5 + config(0).version.len();
        assert!(salts[version_end + 5..version_end + 13].iter().all(|byte| *byte != 0));
    }

    #[test]
    fn a_greeting_cut_short_is_none() {
        let bytes = make(&config(29), [1; 20], 1);
        let scramble_end = bytes.len() - 35;
        for end in 4..scramble_end {
            assert_eq!(read(&bytes[4..end]), None, "cut at {end}");
        }
        assert!(read(&bytes[4..scramble_end]).is_some());
    }
}
