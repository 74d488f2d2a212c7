//! gRPC's framing of one message, as far as a question and its answer need it.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

/// Compression flag and length.
const PREFIX_BYTES: usize = 5;

/// Tag of field 1 where it is a text.
pub const TEXT_1: u8 = 0x0a;

/// Adds a text of at most 127 bytes, more are cut, as field 1.
pub fn push_text_1(message: &mut Vec<u8>, text: &str) {
    message.extend([TEXT_1, text.len().min(0x7f) as u8]);
    message.extend(text.bytes().take(0x7f));
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
