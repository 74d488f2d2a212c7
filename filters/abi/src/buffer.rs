//! Bytes on their way through Envoy, as a network filter may look at them and change them during a callback.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use crate::sys::{self, Bytes, EnvoyPtr};

/// The bytes of one direction during `on_read` or `on_write`, in Envoy's own chunks.
pub struct Buffer<'call> {
    filter: EnvoyPtr,
    side: Side,
    call: PhantomData<&'call Cell<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
}

/// More chunks than this at once are rare enough to pay for an allocation.
const CHUNKS_ON_STACK: usize = 32;

impl Buffer<'_> {
    pub(crate) fn new(filter: EnvoyPtr, side: Side) -> Self {
        Self { filter, side, call: PhantomData }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        // SAFETY: `filter` is alive during the callback, and its current buffer is the one of this callback.
        unsafe {
            match self.side {
                Side::Read => sys::envoy_dynamic_module_callback_network_filter_get_read_buffer_size(self.filter),
                Side::Write => sys::envoy_dynamic_module_callback_network_filter_get_write_buffer_size(self.filter),
            }
        }
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows the bytes without copying them; `look` returns false when it has seen enough.
    pub fn chunks(&self, mut look: impl FnMut(&[u8]) -> bool) {
        // SAFETY: as in `len`. Envoy fills exactly as many entries as it announced; `look` cannot reach the buffer to
        // change it, as it is borrowed.
        unsafe {
            let count = match self.side {
                Side::Read => {
                    sys::envoy_dynamic_module_callback_network_filter_get_read_buffer_chunks_size(self.filter)
                }
                Side::Write => {
                    sys::envoy_dynamic_module_callback_network_filter_get_write_buffer_chunks_size(self.filter)
                }
            };
            let mut few = [const { MaybeUninit::<Bytes>::uninit() }; CHUNKS_ON_STACK];
            let mut many = Vec::new();
            let chunks: *mut Bytes = if count <= CHUNKS_ON_STACK {
                few.as_mut_ptr().cast()
            } else {
                many.resize(count, Bytes::EMPTY);
                many.as_mut_ptr()
            };
            let filled = match self.side {
                Side::Read => {
                    sys::envoy_dynamic_module_callback_network_filter_get_read_buffer_chunks(self.filter, chunks)
                }
                Side::Write => {
                    sys::envoy_dynamic_module_callback_network_filter_get_write_buffer_chunks(self.filter, chunks)
                }
            };
            if filled {
                for chunk in std::slice::from_raw_parts(chunks, count) {
                    if !look(chunk.as_slice()) {
                        return;
                    }
                }
            }
        }
    }

    /// A copy of at most the first `limit` bytes.
    pub fn copy(&self, limit: usize) -> Vec<u8> {
        let mut copy = Vec::with_capacity(self.len().min(limit));
        self.chunks(|chunk| {
            copy.extend(chunk.iter().take(limit - copy.len()));
            copy.len() < limit
        });
        copy
    }

    /// Replaces all bytes by `bytes`.
    pub fn replace(&mut self, bytes: &[u8]) {
        let length = self.len();
        // SAFETY: as in `len`; Envoy copies the bytes.
        unsafe {
            match self.side {
                Side::Read => {
                    sys::envoy_dynamic_module_callback_network_filter_drain_read_buffer(self.filter, length);
                    sys::envoy_dynamic_module_callback_network_filter_append_read_buffer(self.filter, Bytes::of(bytes));
                }
                Side::Write => {
                    sys::envoy_dynamic_module_callback_network_filter_drain_write_buffer(self.filter, length);
                    sys::envoy_dynamic_module_callback_network_filter_append_write_buffer(
                        self.filter,
                        Bytes::of(bytes),
                    );
                }
            }
        }
    }

    /// Puts `bytes` before all others.
    pub fn prepend(&mut self, bytes: &[u8]) {
        // SAFETY: as in `replace`.
        unsafe {
            match self.side {
                Side::Read => {
                    sys::envoy_dynamic_module_callback_network_filter_prepend_read_buffer(
                        self.filter,
                        Bytes::of(bytes),
                    );
                }
                Side::Write => {
                    sys::envoy_dynamic_module_callback_network_filter_prepend_write_buffer(
                        self.filter,
                        Bytes::of(bytes),
                    );
                }
            }
        }
    }
}
