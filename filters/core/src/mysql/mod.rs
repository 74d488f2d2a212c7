//! The start of a MySQL or MariaDB connection, protocol 10, and following it afterwards.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>,
//! <https://mariadb.com/kb/en/clientserver-protocol/>
//!
//! ```text
//!  client            front                                server
//!    │◀── greeting ────┤  own salt, own capabilities          │
//!    ├── SSLRequest ──▶│  [TLS]                               │
//!    ├── response ────▶│── response, no password, no TLS ────▶│
//!    │                 │◀───────────────────────── greeting ──┤  dropped, checked, its connection id kept
//!    │◀── AuthSwitch ──┼◀── AuthSwitch, the server's salt ────┤
//!    ├── scramble ────▶┼────────────────────────── scramble ─▶│  the password is never seen here
//!    │◀── OK / ERR ────┼◀───────────────────────── OK / ERR ──┤
//! ```

mod answers;
pub mod capability;
pub mod change_user;
pub mod commands;
pub mod find_session;
pub mod follow;
pub mod greeting;
pub mod kill;
pub mod login;
pub mod name;
pub mod negotiation;
pub mod only_kill;
mod outstanding;
pub mod packet;
mod packets;
pub mod plugin;
pub mod promise;
pub mod response;
pub mod wire;

/// Names a plugin that no account uses, so that every server answers with AuthSwitchRequest: the client then proves itself
/// against the server's salt instead of the front's.
const RELAY_PLUGIN: &[u8] = b"sluice_relay";
