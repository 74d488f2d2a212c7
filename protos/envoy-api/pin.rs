//! Empty: this package only pins the Envoy API (see Cargo.toml).
