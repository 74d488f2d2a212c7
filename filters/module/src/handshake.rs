//! The listener filter `handshake`: brings a client to TLS, so that its SNI is known before anything is decided.

use sluice_abi::{ListenerFactory, ListenerFilter, Socket, Status, monotonic_ms, unix_ms};
use sluice_core::birth::{self, Birth};
use sluice_core::config;
use sluice_core::negotiation::{Move, Opening};
use sluice_core::postgres;

/// Bytes that are looked at. Every opening fits; what is refused is taken whole from the socket as far as it does, since
/// closing a socket with unread bytes resets it, and a reset can overtake the refusal.
const MAX_PEEK_BYTES: usize = 1024;

pub struct Factory(Opening);

impl Factory {
    pub fn configured(json: &[u8]) -> Result<Self, String> {
        config::handshake(json).map(Self)
    }
}

impl ListenerFactory for Factory {
    fn create(&self) -> Box<dyn ListenerFilter> {
        match &self.0 {
            Opening::Postgres(plaintext) => Box::new(Handshake(postgres::negotiation::Negotiation::new(*plaintext))),
            Opening::Mysql(..) => todo!(),
        }
    }
}

struct Handshake(postgres::negotiation::Negotiation);

impl ListenerFilter for Handshake {
    fn on_accept(&mut self, socket: &Socket<'_>) -> Status {
        let birth = Birth { monotonic_ms: monotonic_ms(), unix_ms: unix_ms(), offered: 0, offered_mariadb: 0 };
        socket.set_filter_state(birth::KEY, birth.to_text().as_bytes());
        Status::Stop
    }

    fn on_data(&mut self, socket: &Socket<'_>) -> Status {
        loop {
            match socket.peeked(|bytes| self.0.look(bytes)) {
                Move::Wait => return Status::Stop,
                Move::Pass => return Status::Continue,
                Move::Answer { drain, reply } => {
                    socket.drain(drain);
                    if !socket.write(reply) {
                        return close(socket, "sluice_handshake_broken");
                    }
                }
                Move::Refuse(reply) => {
                    socket.drain(socket.peeked(<[u8]>::len));
                    socket.write(&reply);
                    return close(socket, "sluice_handshake_refused");
                }
                Move::HangUp => return close(socket, "sluice_cancel_request"),
            }
        }
    }

    fn max_read_bytes(&self) -> usize {
        MAX_PEEK_BYTES
    }
}

fn close(socket: &Socket<'_>, details: &str) -> Status {
    socket.close(details);
    Status::Stop
}
