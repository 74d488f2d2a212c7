//! Envoy's dynamic-module ABI v0.2.0 (Envoy 1.40), as far as Sluice uses it: safe on the outside, and the only crate of
//! the workspace with `unsafe` in it.
//!
//! ```text
//! Envoy ── envoy_dynamic_module_on_* ──▶ export/ ── catch, borrow ──▶ trait ListenerFilter, NetworkFilter
//!   ▲                                                                        │
//!   └────── envoy_dynamic_module_callback_* ◀── sys ◀── Socket, Connection ◀─┘
//! ```
//!
//! Three rules hold everywhere. A panic ends at this edge: it is logged and closes its own connection. A filter is never
//! entered twice at a time: what Envoy calls back while a filter is running (its own write passing through its own
//! `on_write`) goes by without it; only its connection's end it learns as soon as it is done. And that is the last it learns:
//! an alarm or an answer that was on its way then does not reach it.
//! <https://github.com/envoyproxy/envoy/blob/v1.40.0/source/extensions/dynamic_modules/abi/abi.h>

mod buffer;
mod callout;
mod connection;
mod edge;
mod export;
mod scheduler;
mod socket;
mod stats;
mod sys;
mod system;
mod upstream;

pub use buffer::Buffer;
pub use callout::Callout;
pub use connection::{Close, Connection, Event};
pub use edge::{Level, log, start};
pub use scheduler::Scheduler;
pub use socket::Socket;
pub use stats::{Counter, Histogram, Stats};
pub use system::{monotonic_ms, monotonic_us, random, unix_ms};
pub use upstream::Upstream;

/// What Envoy does after a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The next filter has its turn.
    Continue,
    /// The later filters wait; called again when more bytes have come.
    Stop,
}

/// Sees a connection before its filter chain is chosen. One value a connection, used by one thread.
pub trait ListenerFilter {
    /// The connection was accepted.
    fn on_accept(&mut self, socket: &Socket<'_>) -> Status;
    /// Bytes have come; they are peeked at, not taken.
    fn on_data(&mut self, socket: &Socket<'_>) -> Status;
    /// How many bytes Envoy shall peek at; 0 means that `on_data` is not wanted.
    fn max_read_bytes(&self) -> usize;
}

/// Sees the bytes of a connection in both directions. One value a connection, used by one thread.
pub trait NetworkFilter {
    /// The connection exists. [`Status::Stop`] keeps later filters from learning of it until `on_read` continues.
    fn on_new_connection(&mut self, _connection: &Connection<'_>) -> Status {
        Status::Continue
    }
    /// `buffer` holds all bytes from the client that no later filter has taken yet.
    fn on_read(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>, end_stream: bool) -> Status;
    /// `buffer` holds bytes on their way to the client.
    fn on_write(&mut self, _connection: &Connection<'_>, _buffer: &mut Buffer<'_>, _end_stream: bool) -> Status {
        Status::Continue
    }
    /// The connection's state changed. Its close is told once, and nothing is called behind it.
    fn on_event(&mut self, _connection: &Connection<'_>, _event: Event) {}
    /// What was asked with [`Connection::ask`] is answered with this body, or will not be.
    fn on_answered(&mut self, _connection: &Connection<'_>, _callout: Callout, _body: Option<&[u8]>) {}
    /// A [`Scheduler`] of this filter was committed with `event`.
    fn on_scheduled(&mut self, _connection: &Connection<'_>, _event: u64) {}
}

/// Makes the listener filters of one configuration, on any worker.
pub trait ListenerFactory: Send + Sync {
    /// One filter, at accept.
    fn create(&self) -> Box<dyn ListenerFilter>;
}

/// Makes the network filters of one configuration, on any worker.
pub trait NetworkFactory: Send + Sync {
    /// One filter, before the connection's first byte.
    fn create(&self, connection: &Connection<'_>) -> Box<dyn NetworkFilter>;
}

/// What a module offers. `Err` says what was expected and what was found; Envoy then rejects the listener.
pub trait Module: Sync {
    /// The listener filter `name`, configured by `config`.
    fn listener(&self, name: &str, config: &[u8]) -> Result<Box<dyn ListenerFactory>, String>;
    /// The network filter `name`, configured by `config`.
    fn network(&self, name: &str, config: &[u8], stats: &Stats<'_>) -> Result<Box<dyn NetworkFactory>, String>;
}

/// Makes `$module`, a `static` that implements [`Module`], the one that Envoy loads.
#[macro_export]
macro_rules! export_module {
    ($module:path) => {
        /// Envoy's first call: returns the ABI version.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub extern "C" fn envoy_dynamic_module_on_program_init() -> *const ::std::ffi::c_char {
            $crate::start(&$module)
        }
    };
}
