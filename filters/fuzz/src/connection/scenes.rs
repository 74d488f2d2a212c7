//! Connections as far as a test wants them.

use std::collections::BTreeMap;

use sluice_core::birth::{self, Birth};
use sluice_core::mysql::packet::framed;

use super::mysql::{response, server_greeting};
use super::played::Played;
use crate::envoy::{Place, Way};

const LOOK_UPSTREAM: u64 = 2;
/// In the greeting of a MySQL client.
pub const FRONT_ID: u32 = 0xe000_0007;

pub const STARTUP: &[u8] = b"\0\0\0\x22\0\x03\0\0user\0checkout\0database\0d\0\0";
pub const SCRAM: &[u8] = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
pub const SWITCH: &[u8] = b"\xfemysql_native_password\0saltsaltsaltsaltsalt\0";

/// Up to its check.
pub fn begun(protocol: &'static str, startup: &[u8]) -> Played {
    let front_id = if protocol == "mysql" { FRONT_ID } else { 0 };
    let born = Birth { monotonic_ms: sluice_abi::monotonic_ms(), offered: u32::MAX, front_id, ..Birth::default() };
    let state = BTreeMap::from([(birth::KEY.to_owned(), born.to_text().into_bytes())]);
    let mut played = Played::new(protocol, true, 64, state);
    played.client_sends(startup);
    played
}

pub fn opened(protocol: &'static str, startup: &[u8], verdict: &str, tls: bool) -> Played {
    opened_for(protocol, startup, verdict, 600_000.0, tls)
}

/// By a grant that is good for this long.
pub fn opened_for(protocol: &'static str, startup: &[u8], verdict: &str, expires_ms: f64, tls: bool) -> Played {
    let mut played = begun(protocol, startup);
    played.grant(verdict, "service/known", expires_ms, tls);
    played
}

pub fn reached(protocol: &'static str, startup: &[u8], verdict: &str) -> Played {
    let played = opened(protocol, startup, verdict, false);
    played.world.way.set(Way::Connected);
    played.world.rings(Place::Session, LOOK_UPSTREAM);
    played
}

pub fn postgres() -> Played {
    reached("postgres", STARTUP, "grant")
}

pub fn mysql(verdict: &str) -> Played {
    let mut played = reached("mysql", &response(), verdict);
    switch(&mut played);
    played
}

fn switch(played: &mut Played) {
    played.server_sends(&server_greeting());
    played.server_sends(&framed(2, SWITCH));
}

/// The login of a Postgres client that was granted, with these messages ahead of its end.
pub fn postgres_session(told: &[u8]) -> Played {
    let mut played = postgres();
    played.server_sends(&[b"R\0\0\0\x08\0\0\0\0", told, b"Z\0\0\0\x05I"].concat());
    played
}

/// The login of a MySQL client that was granted.
pub fn log_in(played: &mut Played) {
    switch(played);
    played.client_sends(&framed(4, b"proofproofproofproof"));
    played.server_sends(&framed(4, b"\0\0\0\x02\0\0\0"));
}

/// A MySQL session that is logged in.
pub fn mysql_session(verdict: &str) -> Played {
    let mut played = reached("mysql", &response(), verdict);
    log_in(&mut played);
    played
}
