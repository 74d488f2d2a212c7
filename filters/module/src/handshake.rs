//! The listener filter `handshake`: brings a client to TLS, so that its SNI is known before anything is decided.

use std::sync::Arc;

use sluice_abi::{ListenerFactory, ListenerFilter, Socket, Status, monotonic_ms, random, unix_ms};
use sluice_core::birth::{self, Birth};
use sluice_core::config;
use sluice_core::mysql::{self, greeting, kill};
use sluice_core::negotiation::{Move, Opening};
use sluice_core::postgres;

/// Bytes that are looked at. Every opening fits, and most of what is refused.
const MAX_PEEK_BYTES: usize = 1024;

pub struct Factory(Arc<Opening>);

impl Factory {
    pub fn configured(json: &[u8]) -> Result<Self, String> {
        config::handshake(json).map(|opening| Self(Arc::new(opening)))
    }
}

impl ListenerFactory for Factory {
    fn create(&self) -> Box<dyn ListenerFilter> {
        let negotiation = match &*self.0 {
            Opening::Postgres(plaintext) => Negotiation::Postgres(postgres::negotiation::Negotiation::new(*plaintext)),
            Opening::Mysql(plaintext, _) => Negotiation::Mysql(mysql::negotiation::Negotiation::new(*plaintext)),
        };
        Box::new(Handshake { opening: Arc::clone(&self.0), negotiation })
    }
}

enum Negotiation {
    Postgres(postgres::negotiation::Negotiation),
    Mysql(mysql::negotiation::Negotiation),
}

struct Handshake {
    opening: Arc<Opening>,
    negotiation: Negotiation,
}

impl ListenerFilter for Handshake {
    fn on_accept(&mut self, socket: &Socket<'_>) -> Status {
        let mut birth = Birth { monotonic_ms: monotonic_ms(), unix_ms: unix_ms(), ..Birth::default() };
        if let Opening::Mysql(_, config) = &*self.opening {
            (birth.offered, birth.offered_mariadb) = greeting::offered(config);
            birth.front_id = kill::front_id(random());
            if !socket.write(&greeting::make(config, random(), birth.front_id)) {
                return close(socket, "sluice_handshake_broken");
            }
        }
        socket.set_filter_state(birth::KEY, birth.to_text().as_bytes());
        Status::Stop
    }

    fn on_data(&mut self, socket: &Socket<'_>) -> Status {
        loop {
            let next = socket.peeked(|bytes| match &mut self.negotiation {
                Negotiation::Postgres(negotiation) => negotiation.look(bytes),
                Negotiation::Mysql(negotiation) => negotiation.look(bytes),
            });
            match next {
                Move::Wait => return Status::Stop,
                Move::Pass => return Status::Continue,
                Move::Answer { drain, reply } => {
                    socket.drain(drain);
                    if !reply.is_empty() && !socket.write(reply) {
                        return close(socket, "sluice_handshake_broken");
                    }
                }
                Move::Refuse(reply) => {
                    drain_all(socket);
                    socket.write(&reply);
                    return close(socket, "sluice_handshake_refused");
                }
            }
        }
    }

    fn max_read_bytes(&self) -> usize {
        MAX_PEEK_BYTES
    }
}

/// Closing a socket with unread bytes resets it, and a reset can overtake the last words.
fn drain_all(socket: &Socket<'_>) {
    socket.drain(socket.peeked(<[u8]>::len));
}

fn close(socket: &Socket<'_>, details: &str) -> Status {
    socket.close(details);
    Status::Stop
}
