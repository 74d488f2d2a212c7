//! The module that Envoy loads: the pure decisions of `sluice-core`, carried out through `sluice-abi`.
//!
//! ```text
//! accept ─▶ handshake ─▶ (tls_inspector, TLS) ─▶ startup ─▶ (ext_authz) ─▶ session ─▶ (tcp_proxy)
//! ```

#![deny(unsafe_code)]

mod deadline;
mod farewell;
mod handshake;
mod session;
mod startup;

use sluice_abi::{ListenerFactory, Module, NetworkFactory, Stats};

/// The metadata namespace of everything that the filters say about a connection.
const NAMESPACE: &str = "sluice";

struct Sluice;

static SLUICE: Sluice = Sluice;

sluice_abi::export_module!(SLUICE);

impl Module for Sluice {
    fn listener(&self, name: &str, config: &[u8]) -> Result<Box<dyn ListenerFactory>, String> {
        match name {
            "handshake" => Ok(Box::new(handshake::Factory::configured(config)?)),
            other => Err(format!("expected the listener filter \"handshake\", found {other:?}")),
        }
    }

    fn network(&self, name: &str, config: &[u8], stats: &Stats<'_>) -> Result<Box<dyn NetworkFactory>, String> {
        match name {
            "startup" => Ok(Box::new(startup::Factory::configured(config)?)),
            "session" => Ok(Box::new(session::Factory::configured(config, stats)?)),
            other => Err(format!("expected the network filter \"startup\" or \"session\", found {other:?}")),
        }
    }
}
