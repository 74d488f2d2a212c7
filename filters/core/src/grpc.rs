//! gRPC's framing of one message, as far as a question and its answer need it.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

/// Compression flag and length.
const PREFIX_BYTES: usize = 5;

/// Tag of field 1 where it is a text, or a message.
pub const TEXT_1: u8 = 0x0a;
/// Tag of field 2 where it is a number.
pub const NUMBER_2: u8 = 0x10;

/// Adds a text, or a message, of at most 127 bytes, more are cut.
pub fn push_text(message: &mut Vec<u8>, tag: u8, text: &[u8]) {
    let text = text.get(..0x7f).unwrap_or(text);
    message.extend([tag, text.len() as u8]);
    message.extend_from_slice(text);
}

/// Adds a number.
pub fn push_number(message: &mut Vec<u8>, tag: u8, number: u32) {
    message.push(tag);
    let mut left = number;
    while left > 0x7f {
        message.push(left as u8 | 0x80);
        left >>= 7;
    }
    message.push(left as u8);
}

/// `message` behind its prefix, uncompressed.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
    body
}

/// The one message of `body`; `None` where it is compressed, cut short, or not alone.
pub fn unframed(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_at_checked(PREFIX_BYTES)?;
    let [0, length @ ..] = prefix else { return None };
    (u32::from_be_bytes(length.try_into().ok()?) as usize == message.len()).then_some(message)
}
