//! Whole connections through the module: handshake, startup, check, session; both sides cut and interleaved as the input
//! says, with verdicts, alarms and closes between.

#[cfg(test)]
mod ends;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod login_deadline;
#[cfg(test)]
mod logins;
pub mod mysql;
mod outcome;
mod played;
pub mod postgres;
#[cfg(test)]
mod reaching;
#[cfg(test)]
mod scenes;

use std::collections::BTreeMap;

use sluice_core::birth::{self, Birth};

use self::played::Played;
use crate::envoy::{Opened, configured, open};
use crate::pieces::{Actor, Choices, Step, conversation};

/// Begins a connection as the input says: through `handshake`, behind it, or with `prologue` of a session that is served.
fn begun<'a>(
    protocol: &'static str,
    input: &'a [u8],
    prologue: impl FnOnce(&mut Played, bool),
) -> Option<(Played, Vec<Step<'a>>)> {
    let mut choices = Choices(input);
    let flags = choices.byte();
    let chunk = [usize::MAX, 1, 3, 64][usize::from(flags >> 4 & 3)];
    let (brain_is_there, client_reads) = (flags & 64 == 0, flags & 128 == 0);
    let steps = conversation(choices);
    if flags & 1 == 1 {
        let born = Birth { monotonic_ms: sluice_abi::monotonic_ms(), offered: u32::MAX, ..Birth::default() };
        let state = BTreeMap::from([(birth::KEY.to_owned(), born.to_text().into_bytes())]);
        let mut played = Played::new(protocol, flags & 2 == 2, chunk, state);
        played.world.brain_is_there.set(brain_is_there);
        played.world.client_reads.set(client_reads);
        if flags & 4 == 4 {
            prologue(&mut played, flags & 8 == 8);
        }
        return Some((played, steps));
    }
    let mut at = 0;
    let (socket, opened) = open(configured(protocol), || {
        let step = steps.get(at)?;
        at += 1;
        Some(if step.actor == Actor::Client { step.bytes } else { b"" })
    });
    let Opened::Passed { left, state } = opened else {
        return None;
    };
    let is_tls = left.first() == Some(&0x16);
    assert!(is_tls || socket.taken.get() == 0 || protocol == "postgres", "plaintext behind a request for TLS");
    let mut played = Played::new(protocol, is_tls, chunk, state);
    played.world.client_reads.set(client_reads);
    if !is_tls {
        played.client_sends(&left);
    }
    Some((played, steps.get(at..).unwrap_or_default().to_vec()))
}

/// What `to_client` has beyond the beginning that it shares with `said`.
fn beyond<'a>(to_client: &'a [u8], said: &[u8]) -> &'a [u8] {
    let shared = to_client.iter().zip(said).take_while(|(passed, said)| passed == said).count();
    &to_client[shared..]
}
