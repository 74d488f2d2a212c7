//! A downstream connection, as a network filter may use it during a callback.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::edge::is_passed_on;
use crate::scheduler::{Line, Scheduler};
use crate::sys::{self, Bytes, EnvoyPtr, KeyValue};

/// The connection whose callback is running. Cannot outlive it.
pub struct Connection<'call> {
    pub(crate) filter: EnvoyPtr,
    line: &'call Arc<Line>,
    call: PhantomData<&'call Cell<()>>,
}

/// How to close. <https://github.com/envoyproxy/envoy/blob/v1.40.0/envoy/network/connection.h>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// After everything written has left; waits as long as the client does not read.
    FlushWrite = 0,
    /// At once.
    NoFlush = 1,
}

/// What happened to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The client closed it.
    RemoteClose,
    /// This side closed it.
    LocalClose,
    /// It is ready: after the TLS handshake where there is one.
    Connected,
}

impl Event {
    pub(crate) fn from_abi(event: u32) -> Option<Self> {
        match event {
            0 => Some(Self::RemoteClose),
            1 => Some(Self::LocalClose),
            2 => Some(Self::Connected),
            _ => None,
        }
    }
}

impl<'call> Connection<'call> {
    pub(crate) fn new(filter: EnvoyPtr, line: &'call Arc<Line>) -> Self {
        Self { filter, line, call: PhantomData }
    }

    /// Sends `bytes` to the client, through the write filters. Never within `on_write`: Envoy would lose the buffer that is passing.
    fn write(&self, bytes: &[u8]) {
        // SAFETY: `filter` is alive during the callback; Envoy copies the bytes.
        unsafe { sys::envoy_dynamic_module_callback_network_filter_write(self.filter, Bytes::of(bytes), false) }
    }

    /// Closes; `details` appear in the access log as the connection's termination details.
    pub fn close(&self, how: Close, details: &str) {
        let details = Bytes::of(details.as_bytes());
        // SAFETY: as in `write`.
        unsafe {
            sys::envoy_dynamic_module_callback_network_filter_close_with_details(self.filter, how as u32, details);
        }
    }

    /// Sends `bytes` to the client from here, past this filter; also while a close of Envoy's waits.
    pub fn speak(&self, bytes: &[u8]) {
        // SAFETY: as in `write`.
        unsafe {
            sys::envoy_dynamic_module_callback_network_filter_inject_write_data(self.filter, Bytes::of(bytes), false);
        }
    }

    /// Has closes wait that are to flush, and those that reading brings, or lets them come again. Takes the runtime guard
    /// `envoy.reloadable_features.connection_close_through_filter_manager`; without it nothing waits.
    pub fn hold_close(&self, hold: bool) {
        // SAFETY: as in `write`.
        unsafe { sys::envoy_dynamic_module_callback_network_filter_disable_close(self.filter, hold) }
    }

    /// Does a close wait? Envoy does not say, but then it drops what is written before any filter sees it: so a byte is
    /// written, and where a filter sees it no close waits, and it goes no further.
    pub fn close_waits(&self) -> bool {
        !is_passed_on(|| self.write(b"?"))
    }

    /// Does TLS protect it?
    pub fn is_tls(&self) -> bool {
        // SAFETY: as in `write`.
        unsafe { sys::envoy_dynamic_module_callback_network_filter_is_ssl(self.filter) }
    }

    /// Sets texts in a metadata namespace, all in one step: each step copies the whole namespace.
    pub fn set_texts(&self, namespace: &str, entries: &[(&str, &str)]) {
        let entries: Vec<KeyValue> = entries
            .iter()
            .map(|(key, value)| KeyValue { key: Bytes::of(key.as_bytes()), value: Bytes::of(value.as_bytes()) })
            .collect();
        // SAFETY: as in `write`; `entries` and all it points to live until the call returns.
        unsafe {
            sys::envoy_dynamic_module_callback_network_set_dynamic_metadata_string_batch(
                self.filter,
                Bytes::of(namespace.as_bytes()),
                entries.as_ptr(),
                entries.len(),
            );
        }
    }

    /// Sets a number in a metadata namespace.
    pub fn set_number(&self, namespace: &str, key: &str, value: f64) {
        let (namespace, key) = (Bytes::of(namespace.as_bytes()), Bytes::of(key.as_bytes()));
        // SAFETY: as in `write`.
        unsafe {
            sys::envoy_dynamic_module_callback_network_set_dynamic_metadata_number(self.filter, namespace, key, value);
        }
    }

    /// Sets a truth in a metadata namespace.
    pub fn set_flag(&self, namespace: &str, key: &str, value: bool) {
        let (namespace, key) = (Bytes::of(namespace.as_bytes()), Bytes::of(key.as_bytes()));
        // SAFETY: as in `write`.
        unsafe {
            sys::envoy_dynamic_module_callback_network_set_dynamic_metadata_bool(self.filter, namespace, key, value);
        }
    }

    /// A text of a metadata namespace; `None` where it is absent or no text.
    pub fn text(&self, namespace: &str, key: &str) -> Option<String> {
        let (namespace, key, mut value) = (Bytes::of(namespace.as_bytes()), Bytes::of(key.as_bytes()), Bytes::EMPTY);
        // SAFETY: as in `write`; what Envoy points to is copied before anything can change the metadata.
        unsafe {
            sys::envoy_dynamic_module_callback_network_get_dynamic_metadata_string(
                self.filter,
                namespace,
                key,
                &mut value,
            )
            .then(|| String::from_utf8_lossy(value.as_slice()).into_owned())
        }
    }

    /// A number of a metadata namespace; `None` where it is absent or no number.
    pub fn number(&self, namespace: &str, key: &str) -> Option<f64> {
        let (namespace, key, mut value) = (Bytes::of(namespace.as_bytes()), Bytes::of(key.as_bytes()), 0.0);
        // SAFETY: as in `write`.
        unsafe {
            sys::envoy_dynamic_module_callback_network_get_dynamic_metadata_number(
                self.filter,
                namespace,
                key,
                &mut value,
            )
            .then_some(value)
        }
    }

    /// Bytes that a listener filter of this module left under `key`.
    pub fn filter_state(&self, key: &str) -> Option<Vec<u8>> {
        let mut value = Bytes::EMPTY;
        // SAFETY: as in `text`.
        unsafe {
            sys::envoy_dynamic_module_callback_network_get_filter_state_bytes(
                self.filter,
                Bytes::of(key.as_bytes()),
                &mut value,
            )
            .then(|| value.as_slice().to_vec())
        }
    }

    /// Sets a filter state of a type that Envoy knows by `key`; false where it does not.
    pub fn set_typed_filter_state(&self, key: &str, value: &str) -> bool {
        let (key, value) = (Bytes::of(key.as_bytes()), Bytes::of(value.as_bytes()));
        // SAFETY: as in `write`.
        unsafe { sys::envoy_dynamic_module_callback_network_set_filter_state_typed(self.filter, key, value) }
    }

    /// A handle that wakes this filter from any thread; `None` where the connection is already going away.
    pub fn scheduler(&self) -> Option<Scheduler> {
        self.line.scheduler(self.filter)
    }
}
