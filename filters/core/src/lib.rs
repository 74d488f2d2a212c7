//! What the filters decide, without Envoy: parsers and state machines for the start of a Postgres or MySQL connection.
//!
//! Nothing here does I/O, reads a clock or keeps a global. Bytes, time and randomness come in as arguments, so the code
//! that faces hostile clients can be run under property tests and fuzzers exactly as it ships.
//!
//! ```text
//! config ─▶ negotiation ─▶ identity ─▶ verdict ─▶ login ─▶ commands, follow ─▶ tally ─▶ limits
//!           (handshake)    (startup)   (─────────────────── session ───────────────────)
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod birth;
pub mod config;
pub mod cursor;
pub mod first_message;
pub mod grpc;
pub mod identity;
pub mod limits;
pub mod login_deadline;
pub mod logins;
pub mod mysql;
pub mod negotiation;
pub mod postgres;
pub mod refusal;
pub mod surplus;
pub mod tally;
pub mod tls_request;
pub mod verdict;
