//! Empty: this package only pins etcd's API (see Cargo.toml).
