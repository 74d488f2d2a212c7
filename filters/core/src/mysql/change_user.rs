//! COM_CHANGE_USER: a login on a connection that has one. Only to the user that was admitted.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html>

use super::packet::{self, HEADER_BYTES};
use super::{RELAY_PLUGIN, capability, name};
use crate::cursor::Cursor;
use crate::refusal::Refusal;

/// The number of an answer to a command.
pub const ANSWER_SEQUENCE: u8 = 1;

/// Reads a whole COM_CHANGE_USER packet of a client with `capabilities` that was admitted as `admitted`; returns the packet
/// to send instead. It proves nothing and names a plugin of nobody, so that the server asks the client itself, as in
/// the first login: the client knows the front's salt, not the server's.
pub fn rewrite(packet: &[u8], capabilities: u32, admitted: &str) -> Result<Vec<u8>, Refusal> {
    let mut cursor = Cursor::new(packet);
    let short = || Refusal::protocol("COM_CHANGE_USER ends early");
    let [_, _, _, sequence] = *cursor.take(HEADER_BYTES).and_then(<[u8]>::first_chunk).ok_or_else(short)?;
    let command = cursor.u8().ok_or_else(short)?;
    let user = cursor.until_nul().ok_or_else(short)?;
    if user != admitted.as_bytes() {
        let text = format!(
            "Access denied: this connection was admitted as '{admitted}' and cannot become '{}'; open another one",
            String::from_utf8_lossy(user)
        );
        return Err(Refusal::new(b"28000", 1045, text));
    }
    let proof = usize::from(cursor.u8().ok_or_else(short)?);
    cursor.take(proof).ok_or_else(short)?;
    let database = cursor.until_nul().ok_or_else(short)?;
    let (Some(charset), true) = (cursor.take(2), capabilities & capability::PLUGIN_AUTH != 0) else {
        return Err(Refusal::new(b"08004", 1251, "COM_CHANGE_USER names no authentication plugin"));
    };
    let [low, high] = *charset else { return Err(short()) };
    let number = u16::from_le_bytes([low, high]);
    name::user(user, number)?;
    name::database(database, number)?;
    // Some clients end the packet with the name, without its NUL.
    let attributes = if cursor.until_nul().is_some() { cursor.rest() } else { b"" };
    let payload = [&[command], user, &[0, 0], database, &[0], charset, RELAY_PLUGIN, &[0], attributes].concat();
    Ok(packet::framed(sequence, &payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::packet::framed;

    const ATTRIBUTES: &[u8] = b"\x12\x0cprogram_name\x04cron";

    fn command(user: &[u8]) -> Vec<u8> {
        framed(0, &[b"\x11", user, b"\0\x03abcreports\0\x2d\0mysql_native_password\0", ATTRIBUTES].concat())
    }

    #[test]
    fn the_same_user_is_asked_by_the_server_again() {
        let rewritten = rewrite(&command(b"m"), capability::REQUIRED, "m").unwrap();
        assert_eq!(rewritten, framed(0, &[b"\x11m\0\0reports\0\x2d\0sluice_relay\0", ATTRIBUTES].concat()));
    }

    #[test]
    fn another_user_is_denied() {
        for other in [&b"root"[..], b"", b"m ", b"M"] {
            let refusal = rewrite(&command(other), capability::REQUIRED, "m").unwrap_err();
            assert_eq!((refusal.errno, &refusal.sqlstate), (1045, b"28000"));
        }
    }

    #[test]
    fn the_same_bytes_in_another_character_set_are_another_user() {
        let command =
            |charset: &[u8; 2]| framed(0, &[b"\x11", "m\u{e9}".as_bytes(), b"\0\0reports\0", charset].concat());
        assert!(rewrite(&command(b"\x2d\0"), capability::REQUIRED, "m\u{e9}").is_ok());
        let refusal = rewrite(&command(b"\x08\0"), capability::REQUIRED, "m\u{e9}").unwrap_err();
        assert_eq!(refusal.errno, 1043);
    }

    #[test]
    fn a_command_cut_short_anywhere_is_refused() {
        let whole = command(b"m");
        let required_end = 4 + b"\x11m\0\x03abcreports\0\x2d\0".len();
        for end in 0..required_end {
            assert!(rewrite(&whole[..end], capability::REQUIRED, "m").is_err(), "cut at {end}");
        }
    }
}
