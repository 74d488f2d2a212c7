//! The question which session of a server a client means by an id of the front, and its answer: protos/sluice/v1/sessions.proto
//! in gRPC's framing.

use crate::grpc::{NUMBER_2, TEXT_1, framed, push_number, push_text, unframed};

/// Where it is asked.
pub const PATH: &str = "/sluice.v1.Sessions/FindSession";

/// Field 1 of the answer, a number.
const NUMBER_1: u8 = 0x08;

/// Asks on behalf of the connection with this id, of 32 digits.
pub fn question(connection: &str, front_id: u32) -> Vec<u8> {
    let mut message = Vec::new();
    push_text(&mut message, TEXT_1, connection.as_bytes());
    push_number(&mut message, NUMBER_2, front_id);
    framed(&message)
}

/// The server's id of the session; `None` inside where there is none, outside where this is no answer.
#[allow(clippy::option_option, reason = "two kinds of no")]
pub fn answer(body: &[u8]) -> Option<Option<u32>> {
    let message = unframed(body)?;
    let Some((field, digits)) = message.split_first() else { return Some(None) };
    let (last, more) = digits.split_last()?;
    if *field != NUMBER_1 || digits.len() > 5 || *last > 0x7f || more.iter().any(|digit| *digit < 0x80) {
        return None;
    }
    let id = digits.iter().rev().fold(0_u64, |id, digit| id << 7 | u64::from(digit & 0x7f));
    Some(u32::try_from(id).ok().filter(|id| *id > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_a_framed_message() {
        let expected = [&[0, 0, 0, 0, 40, 0x0a, 32][..], &[b'a'; 32], &[0x10, 0x81, 0x80, 0x80, 0x80, 0x0f]].concat();
        assert_eq!(question(&"a".repeat(32), 4_026_531_841), expected);
    }

    #[test]
    fn an_answer_has_an_id_or_none() {
        assert_eq!(answer(&[0, 0, 0, 0, 3, 8, 0xac, 2]), Some(Some(300)));
        assert_eq!(answer(&[0, 0, 0, 0, 6, 8, 0xff, 0xff, 0xff, 0xff, 0x0f]), Some(Some(u32::MAX)));
        assert_eq!(answer(&[0, 0, 0, 0, 0]), Some(None));
        assert_eq!(answer(&[0, 0, 0, 0, 2, 8, 0]), Some(None));
    }

    #[test]
    fn anything_else_is_no_answer() {
        for body in [
            &[][..],
            b"0000",
            &[0, 0, 0, 0, 1],
            &[1, 0, 0, 0, 2, 8, 7],
            &[0, 0, 0, 0, 2, 9, 7],
            &[0, 0, 0, 0, 1, 8],
            &[0, 0, 0, 0, 2, 8, 0x80],
            &[0, 0, 0, 0, 3, 8, 7, 7],
            b"\0\0\0\0\x08\x08\x80\x80\x80\x80\x80\x80\x01",
        ] {
            assert_eq!(answer(body), None, "{body:?}");
        }
    }
}
