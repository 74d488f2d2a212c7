//! How an input says where its bytes are cut, and which side sends them.

use sluice_core::negotiation::{Move, Plaintext};

/// A reader of the choices at the head of an input; what has run out reads as 0.
pub struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }

    pub fn u64(&mut self) -> u64 {
        u64::from(self.u32()) | u64::from(self.u32()) << 32
    }

    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A text behind its length, or nothing.
    pub fn text(&mut self) -> Option<String> {
        let length = self.byte();
        (length < 255).then(|| String::from_utf8_lossy(self.bytes(usize::from(length))).into_owned())
    }
}

/// The three ways to cut that every target compares: not at all, as the input says, and everywhere.
pub fn cuts(choices: &mut Choices<'_>) -> [Vec<usize>; 3] {
    let count = usize::from(choices.byte() % 8);
    let chosen = choices.bytes(count).iter().map(|size| usize::from(*size) + 1).collect();
    [vec![usize::MAX], chosen, vec![1]]
}

/// `bytes` in pieces of `sizes`, round and round.
pub fn pieces<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut all = Vec::new();
    let mut sizes = sizes.iter().cycle();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at((*sizes.next().unwrap_or(&usize::MAX)).min(bytes.len()));
        all.push(piece);
        bytes = rest;
    }
    all
}

/// What came of a negotiation.
#[derive(Debug, PartialEq, Eq)]
pub struct Negotiated {
    pub replies: Vec<u8>,
    pub taken: usize,
    pub last: Move,
}

/// Shows `bytes` as a socket that is peeked: what has arrived and was not taken.
fn negotiate(bytes: &[u8], sizes: &[usize], mut look: impl FnMut(&[u8]) -> Move) -> Negotiated {
    let (mut replies, mut taken, mut arrived) = (Vec::new(), 0, 0);
    for piece in pieces(bytes, sizes) {
        arrived += piece.len();
        loop {
            match look(&bytes[taken..arrived]) {
                Move::Answer { drain, reply } => {
                    assert!(drain > 0 && taken + drain <= arrived, "takes {drain} of {}", arrived - taken);
                    taken += drain;
                    replies.extend_from_slice(reply);
                }
                Move::Wait => break,
                last => return Negotiated { replies, taken, last },
            }
        }
    }
    Negotiated { replies, taken, last: Move::Wait }
}

/// An opening that was tried.
pub struct Opened<'a> {
    /// May go on without TLS.
    pub allowed: bool,
    /// All that the client sends.
    pub bytes: &'a [u8],
    pub whole: Negotiated,
}

/// An input is a byte for whether plaintext is allowed, how it is cut, and what the client sends; however it is cut, the same comes of it.
pub fn opened<'a, N>(
    input: &'a [u8],
    new: impl Fn(Plaintext) -> N,
    look: impl Fn(&mut N, &[u8]) -> Move,
) -> Opened<'a> {
    let mut choices = Choices(input);
    let allowed = choices.byte() & 1 == 1;
    let plaintext = if allowed { Plaintext::Allow } else { Plaintext::Refuse };
    let ways = cuts(&mut choices);
    let bytes = choices.0;
    let [whole, cut, single] = ways.map(|sizes| {
        let mut negotiation = new(plaintext);
        negotiate(bytes, &sizes, |peeked| look(&mut negotiation, peeked))
    });
    assert_eq!(cut, whole);
    assert_eq!(single, whole);
    Opened { allowed, bytes, whole }
}

/// Who does something in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    Client,
    Server,
    /// Neither: the target gives it a meaning.
    Other,
}

/// One step of a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    pub actor: Actor,
    pub bytes: &'a [u8],
}

/// A conversation: each step is a byte for actor and length (63: one more byte follows), then its bytes.
pub fn conversation(mut choices: Choices<'_>) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while !choices.0.is_empty() {
        let head = choices.byte();
        let actor = match head >> 6 {
            0 => Actor::Client,
            1 | 2 => Actor::Server,
            _ => Actor::Other,
        };
        let length = match usize::from(head & 63) {
            63 => 63 + 4 * usize::from(choices.byte()),
            short => short,
        };
        steps.push(Step { actor, bytes: choices.bytes(length) });
    }
    steps
}

/// The same conversation, every step in single bytes.
pub fn in_bytes<'a>(steps: &[Step<'a>]) -> Vec<Step<'a>> {
    steps
        .iter()
        .flat_map(|step| match step.actor {
            Actor::Other => vec![*step],
            actor => step.bytes.chunks(1).map(|bytes| Step { actor, bytes }).collect(),
        })
        .collect()
}

/// The same conversation, neighbours of one actor in one.
pub fn joined(steps: &[Step<'_>]) -> Vec<(Actor, Vec<u8>)> {
    let mut all: Vec<(Actor, Vec<u8>)> = Vec::new();
    for step in steps {
        match all.last_mut() {
            Some((actor, bytes)) if *actor == step.actor && step.actor != Actor::Other => bytes.extend(step.bytes),
            _ => all.push((step.actor, step.bytes.to_vec())),
        }
    }
    all
}
