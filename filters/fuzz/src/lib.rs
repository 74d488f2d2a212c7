//! Fuzz targets: every parser and state machine of `sluice-core`, and whole connections through the module as it ships, in
//! front of as much of Envoy as it sees.
//!
//! A target is a function that takes any bytes and panics on a finding. The fuzzer (`make fuzz`) and the replay of the kept
//! corpus (`cargo test`) run the same functions.

mod connection;
mod envoy;
mod follow;
mod judge;
mod mysql;
mod pieces;
mod played;
mod postgres;
mod server;
mod surplus;

/// Takes any bytes; panics where something is wrong.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("postgres-connection", connection::postgres::connection),
    ("mysql-connection", connection::mysql::connection),
    ("postgres-negotiation", postgres::negotiation),
    ("postgres-startup", postgres::startup),
    ("postgres-login", postgres::login),
    ("postgres-proof", postgres::proof),
    ("postgres-tls-request", postgres::tls_request),
    ("mysql-negotiation", mysql::negotiation),
    ("mysql-response", mysql::response),
    ("mysql-greeting", mysql::greeting),
    ("mysql-login", mysql::login::login),
    ("mysql-commands", mysql::commands::commands),
    ("postgres-follow", follow::postgres),
    ("postgres-rest", played::postgres),
    ("postgres-error-code", follow::error_code),
    ("mysql-follow", follow::mysql),
    ("mysql-rest", played::mysql),
    ("mysql-kill", mysql::kill::kill),
    ("mysql-only-kill", mysql::kill::only_kill),
    ("mysql-find-session", mysql::kill::find_session),
    ("mysql-change-user", mysql::commands::change_user),
    ("verdict", judge::verdict),
    ("refusal", judge::refusal),
    ("surplus", surplus::surplus),
    ("config", judge::config),
    ("birth", judge::birth),
    ("cursor", judge::cursor),
];

/// The target called `name`.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}
