//! A refusal: one meaning, spoken as a Postgres ErrorResponse or a MySQL ERR packet.
//!
//! Codes follow what drivers already know: <https://www.postgresql.org/docs/current/errcodes-appendix.html> and
//! <https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html>.

use std::borrow::Cow;

use crate::cursor::bounded;

/// The longest text of one field; the rest is cut. A verdict comes from the brain, but it can quote what a client sent.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Why a client is turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Five characters, for Postgres and for MySQL.
    pub sqlstate: [u8; 5],
    /// MySQL's error number.
    pub errno: u16,
    /// What a person reads first.
    pub message: Cow<'static, str>,
    /// More of it (Postgres only).
    pub detail: Option<String>,
    /// What to do about it (Postgres only).
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal of the filters' own.
    pub fn new(sqlstate: &[u8; 5], errno: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Self { sqlstate: *sqlstate, errno, message: message.into(), detail: None, hint: None }
    }

    /// The client broke the protocol: 08P01 to Postgres, 1043 (08S01) to MySQL.
    pub fn protocol(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(b"08P01", 1043, message)
    }

    /// Postgres' ErrorResponse, severity FATAL.
    /// <https://www.postgresql.org/docs/current/protocol-error-fields.html>
    pub fn as_postgres(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64 + self.message.len());
        body.extend_from_slice(b"SFATAL\0VFATAL\0C");
        body.extend_from_slice(&self.sqlstate);
        body.push(0);
        let texts = [(b'M', Some(self.message.as_ref())), (b'D', self.detail.as_deref()), (b'H', self.hint.as_deref())];
        for (field, text) in texts {
            let Some(text) = text else { continue };
            body.push(field);
            // A NUL would end the field, and what follows would be read as fields of our making.
            body.extend(bounded(text, MAX_TEXT_BYTES).bytes().filter(|byte| *byte != 0));
            body.push(0);
        }
        body.push(0);
        let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
        let mut message = Vec::with_capacity(body.len() + 5);
        message.push(b'E');
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(&body);
        message
    }

    /// MySQL's ERR packet, numbered `sequence`, as clients with CLIENT_PROTOCOL_41 read it.
    /// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html>
    pub fn as_mysql(&self, sequence: u8) -> Vec<u8> {
        // Postgres' own words for a broken protocol, "try again", a timeout and a lost server; MySQL says 08S01 to all.
        let sqlstate = match &self.sqlstate {
            b"08P01" | b"57P03" | b"57014" | b"08006" => b"08S01",
            // Limits, which MySQL's own 4031 has no class for.
            b"57P05" | b"25P03" | b"57P01" => b"HY000",
            shared => shared,
        };
        let text = bounded(&self.message, MAX_TEXT_BYTES);
        let mut payload = Vec::with_capacity(9 + text.len());
        payload.push(0xff);
        payload.extend_from_slice(&self.errno.to_le_bytes());
        payload.push(b'#');
        payload.extend_from_slice(sqlstate);
        payload.extend_from_slice(text.as_bytes());
        crate::mysql::packet::framed(sequence, &payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_reads_severity_code_message_detail_and_hint() {
        let mut refusal = Refusal::new(b"53300", 1040, "full");
        refusal.detail = Some("40 of 40".into());
        refusal.hint = Some("wait".into());
        let bytes = refusal.as_postgres();
        assert_eq!(bytes[0], b'E');
        assert_eq!(u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize, bytes.len() - 1);
        assert_eq!(&bytes[5..], b"SFATAL\0VFATAL\0C53300\0Mfull\0D40 of 40\0Hwait\0\0");
    }

    #[test]
    fn a_nul_in_a_text_cannot_start_a_field() {
        let bytes = Refusal::new(b"53300", 1040, "a\0Cxxxxx").as_postgres();
        assert!(bytes.ends_with(b"MaCxxxxx\0\0"));
    }

    #[test]
    fn mysql_reads_errno_sqlstate_and_message() {
        let bytes = Refusal::protocol("odd").as_mysql(3);
        assert_eq!(bytes, b"\x0c\x00\x00\x03\xff\x13\x04#08S01odd");
    }

    #[test]
    fn an_endless_text_is_cut() {
        assert!(Refusal::new(b"53300", 1040, "x".repeat(1 << 20)).as_mysql(0).len() < MAX_TEXT_BYTES + 16);
    }
}
