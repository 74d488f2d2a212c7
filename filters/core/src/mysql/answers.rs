//! What the packets of an answer say at their beginning; where in the answer each stands is [`super::follow`]'s.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_response_packets.html>

use super::packet::CONTINUES;
use super::wire::Wire;
use crate::cursor::Cursor;

pub(super) const OK: u8 = 0x00;
pub(super) const FILE: u8 = 0xfb;
pub(super) const EOF: u8 = 0xfe;
pub(super) const ERR: u8 = 0xff;

/// An EOF packet is shorter; what begins like one and is not is a row.
const EOF_BYTES: u32 = 9;
/// An OK packet is no shorter.
pub(super) const OK_BYTES: u32 = 7;

/// <https://dev.mysql.com/doc/dev/mysql-server/latest/mysql__com_8h.html>: SERVER_STATUS_flags_enum
pub(super) mod status {
    pub const IN_TRANSACTION: u16 = 1;
    pub const MORE_RESULTS: u16 = 8;
    pub const CURSOR_EXISTS: u16 = 64;
    pub const OUT_PARAMETERS: u16 = 4096;
}

/// What no server would say to what was seen.
#[derive(Debug)]
pub(super) struct Unexplained;

/// Whether the packet ends rows or definitions.
pub(super) fn is_end(wire: Wire, first: u8, length: u32) -> bool {
    first == EOF && length < if wire.deprecate_eof { CONTINUES } else { EOF_BYTES }
}

pub(super) fn status_of_end(wire: Wire, payload: &[u8]) -> Result<u16, Unexplained> {
    if wire.deprecate_eof { status_of_ok(payload) } else { status_of_eof(payload) }
}

pub(super) fn status_of_ok(payload: &[u8]) -> Result<u16, Unexplained> {
    let mut cursor = Cursor::new(payload);
    cursor.u8().ok_or(Unexplained)?;
    cursor.length_encoded().ok_or(Unexplained)?;
    cursor.length_encoded().ok_or(Unexplained)?;
    cursor.u16_le().ok_or(Unexplained)
}

pub(super) fn status_of_eof(payload: &[u8]) -> Result<u16, Unexplained> {
    let mut cursor = Cursor::new(payload);
    cursor.take(3).ok_or(Unexplained)?;
    cursor.u16_le().ok_or(Unexplained)
}

/// Reads the number of columns of a result: how many definitions follow.
pub(super) fn definitions_of_result(wire: Wire, payload: &[u8]) -> Result<u16, Unexplained> {
    let mut cursor = Cursor::new(payload);
    let mut defined = true;
    if wire.optional_metadata {
        defined = cursor.u8().ok_or(Unexplained)? != 0;
    }
    let columns = cursor.length_encoded().ok_or(Unexplained)?;
    if wire.cache_metadata {
        defined = cursor.u8().ok_or(Unexplained)? != 0;
    }
    match u16::try_from(columns) {
        Ok(0) | Err(_) => Err(Unexplained),
        Ok(columns) => Ok(if defined { columns } else { 0 }),
    }
}

/// COM_STMT_PREPARE_OK: how many definitions follow.
pub(super) struct Prepared {
    pub(super) parameters: u16,
    pub(super) columns: u16,
}

impl Prepared {
    pub(super) fn read(wire: Wire, payload: &[u8]) -> Result<Self, Unexplained> {
        let mut cursor = Cursor::new(payload);
        if cursor.u8() != Some(OK) {
            return Err(Unexplained);
        }
        cursor.take(4).ok_or(Unexplained)?;
        let columns = cursor.u16_le().ok_or(Unexplained)?;
        let parameters = cursor.u16_le().ok_or(Unexplained)?;
        // A filler, the number of warnings; and whether definitions follow.
        cursor.take(3).ok_or(Unexplained)?;
        let defined = !wire.optional_metadata || cursor.u8() != Some(0);
        Ok(if defined { Self { parameters, columns } } else { Self { parameters: 0, columns: 0 } })
    }
}
