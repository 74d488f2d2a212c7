//! An accepted socket, as a listener filter may use it during a callback.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::sys::{self, Bytes, EnvoyPtr};

/// The socket whose callback is running. Cannot outlive it.
pub struct Socket<'call> {
    filter: EnvoyPtr,
    call: PhantomData<&'call Cell<()>>,
}

impl Socket<'_> {
    pub(crate) fn new(filter: EnvoyPtr) -> Self {
        Self { filter, call: PhantomData }
    }

    /// Shows what has been peeked and not drained; nothing outside `on_data`.
    pub fn peeked<R>(&self, look: impl FnOnce(&[u8]) -> R) -> R {
        let mut chunk = Bytes::EMPTY;
        // SAFETY: `filter` is alive during the callback. The chunk is Envoy's own peek buffer: it changes by `drain` and by
        // later reads, and `look` is given no way to either that outlives the slice.
        unsafe {
            sys::envoy_dynamic_module_callback_listener_filter_get_buffer_chunk(self.filter, &mut chunk);
            look(chunk.as_slice())
        }
    }

    /// Takes `count` peeked bytes out of the socket.
    pub fn drain(&self, count: usize) {
        // SAFETY: as in `peeked`.
        unsafe { sys::envoy_dynamic_module_callback_listener_filter_drain_buffer(self.filter, count) };
    }

    /// Sends `bytes` as they are; false unless the kernel took all of them. A socket that has just been accepted has room.
    pub fn write(&self, bytes: &[u8]) -> bool {
        // SAFETY: as in `peeked`; Envoy copies the bytes.
        let written = unsafe {
            sys::envoy_dynamic_module_callback_listener_filter_write_to_socket(self.filter, Bytes::of(bytes))
        };
        usize::try_from(written).is_ok_and(|written| written == bytes.len())
    }

    /// Closes the socket. The callback must then return [`crate::Status::Stop`].
    pub fn close(&self, details: &str) {
        // SAFETY: as in `peeked`.
        unsafe {
            sys::envoy_dynamic_module_callback_listener_filter_close_socket(self.filter, Bytes::of(details.as_bytes()));
        }
    }

    /// Leaves bytes under `key` for the network filters of the same connection.
    pub fn set_filter_state(&self, key: &str, value: &[u8]) -> bool {
        // SAFETY: as in `write`.
        unsafe {
            sys::envoy_dynamic_module_callback_listener_filter_set_filter_state(
                self.filter,
                Bytes::of(key.as_bytes()),
                Bytes::of(value),
            )
        }
    }
}
