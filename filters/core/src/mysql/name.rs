//! Names as the server will read them. The check judges a name, the server logs one in: they must be the same, though the
//! server converts, strips and cuts what it is sent (`parse_client_handshake_packet` of MySQL and MariaDB). Whatever it would
//! change is refused.

use crate::refusal::Refusal;

/// A server cuts longer ones: MariaDB behind 128 characters; MySQL behind 32, and has no longer ones.
pub const MAX_USER_CHARACTERS: usize = 128;
/// The longest identifier of either server.
pub const MAX_DATABASE_CHARACTERS: usize = 64;

/// The user, sent in the character set of collation `charset`.
pub fn user(name: &[u8], charset: u16) -> Result<String, Refusal> {
    // For clients of the 1990s the server takes the quotes of 'name' off.
    if name.len() > 1 && name.first() == Some(&b'\'') && name.last() == Some(&b'\'') {
        return Err(Refusal::protocol("the user name is in quotes, which the server would take off"));
    }
    as_sent("user", name, charset, MAX_USER_CHARACTERS)
}

/// The database, sent in the character set of collation `charset`.
pub fn database(name: &[u8], charset: u16) -> Result<String, Refusal> {
    as_sent("database", name, charset, MAX_DATABASE_CHARACTERS)
}

fn as_sent(what: &str, name: &[u8], charset: u16, max_characters: usize) -> Result<String, Refusal> {
    let Ok(text) = std::str::from_utf8(name) else {
        return Err(Refusal::protocol(format!("the {what} name is not UTF-8")));
    };
    if text.chars().count() > max_characters {
        return Err(Refusal::protocol(format!("the {what} name is longer than {max_characters} characters")));
    }
    if is_swe7(charset) || !(text.is_ascii() || is_utf8(charset)) {
        let why = format!("the {what} name in collation {charset} is not what it looks like: use utf8mb4 (45)");
        return Err(Refusal::protocol(why));
    }
    Ok(text.to_owned())
}

/// The one character set that a client may have in which ASCII bytes are other letters: `{` is `ä`.
fn is_swe7(charset: u16) -> bool {
    matches!(charset, 10 | 82 | 1034 | 1106)
}

/// Collations of utf8mb3 and utf8mb4 that both servers know; one that it does not know, MariaDB takes for its own default.
/// <https://mariadb.com/kb/en/supported-character-sets-and-collations/>
fn is_utf8(charset: u16) -> bool {
    matches!(charset, 33 | 45 | 46 | 83 | 192..=215 | 223..=247)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_names_are_the_same_in_every_character_set_but_one() {
        for charset in [0, 8, 33, 45, 63, 224, 255] {
            assert_eq!(user(b"it's {m}", charset).unwrap(), "it's {m}");
        }
        for charset in [10, 82, 1034, 1106] {
            assert!(user(b"m{", charset).is_err() && database(b"m{", charset).is_err());
        }
    }

    #[test]
    fn other_names_must_be_sent_as_the_utf8_that_the_check_reads() {
        let name = "mé".as_bytes();
        assert_eq!((user(name, 45).unwrap(), database(name, 33).unwrap()), ("mé".into(), "mé".into()));
        // latin1, cp1251, the server's default, one that MariaDB 10.11 does not know.
        for charset in [8, 51, 0, 255, 0x2d00] {
            assert!(user(name, charset).is_err() && database(name, charset).is_err());
        }
        assert!(user(b"\xff", 45).is_err());
    }

    #[test]
    fn a_user_in_quotes_is_refused_as_the_server_would_log_in_another() {
        assert!(user(b"'root'", 45).is_err());
        assert!(user(b"''", 45).is_err());
        assert_eq!((user(b"'", 45).unwrap(), user(b"'m", 45).unwrap()), ("'".into(), "'m".into()));
    }

    #[test]
    fn names_that_the_server_would_cut_are_refused() {
        assert!(user("ü".repeat(128).as_bytes(), 45).is_ok() && user("ü".repeat(129).as_bytes(), 45).is_err());
        assert!(database(&[b'd'; 64], 45).is_ok() && database(&[b'd'; 65], 45).is_err());
    }
}
