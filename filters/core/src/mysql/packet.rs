//! Packets: three bytes of length, one of sequence, the payload.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>

/// Length and sequence.
pub const HEADER_BYTES: usize = 4;
/// A payload of this length continues in the next packet.
pub const CONTINUES: u32 = 0xff_ffff;

/// `payload` as one packet. Payloads made here are far below [`CONTINUES`].
pub fn framed(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, ..] = (payload.len() as u32).to_le_bytes();
    let mut packet = Vec::with_capacity(HEADER_BYTES + payload.len());
    packet.extend_from_slice(&[a, b, c, sequence]);
    packet.extend_from_slice(payload);
    packet
}

/// Payload length and sequence of the packet at the beginning of `bytes`.
pub fn header(bytes: &[u8]) -> Option<(usize, u8)> {
    let [a, b, c, sequence] = *bytes.first_chunk::<HEADER_BYTES>()?;
    Some((u32::from_le_bytes([a, b, c, 0]) as usize, sequence))
}
