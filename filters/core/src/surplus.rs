//! The question which idle sessions of this node are more than the limits allow, and its answer: protos/sluice/v1/sessions.proto
//! in gRPC's framing.

use crate::grpc::{TEXT_1, framed, push_text_1, unframed};

/// Where it is asked.
pub const PATH: &str = "/sluice.v1.Sessions/Surplus";
/// Digits of a connection's id.
const ID_BYTES: usize = 32;
/// More are not called at once.
const MAX_CALLED: usize = 1_000;

/// Asks on behalf of the node of the connection with this id.
pub fn question(connection: &str) -> Vec<u8> {
    let mut message = Vec::new();
    push_text_1(&mut message, connection);
    framed(&message)
}

/// Ids of the connections that shall end; `None` where this is no answer.
pub fn answer(body: &[u8]) -> Option<Vec<String>> {
    let message = unframed(body)?;
    let fields = message.chunks(2 + ID_BYTES);
    if fields.len() > MAX_CALLED {
        return None;
    }
    fields
        .map(|field| match field {
            [TEXT_1, length, id @ ..] if usize::from(*length) == ID_BYTES && id.len() == ID_BYTES => {
                std::str::from_utf8(id).ok().map(str::to_owned)
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_a_framed_message() {
        assert_eq!(question("abc"), [&[0, 0, 0, 0, 5, 0x0a, 3][..], b"abc"].concat());
    }

    #[test]
    fn an_answer_has_any_number_of_ids() {
        let ids = ["a".repeat(32), "b".repeat(32)];
        let body = |ids: &[String]| {
            let fields: Vec<u8> = ids.iter().flat_map(|id| [&[0x0a, 32], id.as_bytes()].concat()).collect();
            framed(&fields)
        };
        assert_eq!(answer(&body(&ids)), Some(ids.to_vec()));
        assert_eq!(answer(&body(&[])), Some(vec![]));
        assert_eq!(answer(&body(&vec![ids[0].clone(); 1_001])), None);
    }

    #[test]
    fn anything_else_is_no_answer() {
        let short = framed(&[&[0x0a, 31], &[b'a'; 31][..]].concat());
        let field_2 = framed(&[&[0x12, 32], &[b'a'; 32][..]].concat());
        let no_text = framed(&[&[0x0a, 32], &[0xff; 32][..]].concat());
        for body in [&b""[..], b"0000", &short, &field_2, &no_text, &[0, 0, 0, 0, 1]] {
            assert_eq!(answer(body), None, "{body:?}");
        }
    }
}
