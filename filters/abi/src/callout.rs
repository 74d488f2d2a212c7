//! A question that a network filter puts to another server, without holding Envoy's thread.

use crate::connection::Connection;
use crate::sys::{self, Bytes, KeyValue};

/// The number of a question that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Callout(pub(crate) u64);

impl Connection<'_> {
    /// Sends an HTTP request to `cluster`; [`crate::NetworkFilter::on_answered`] has the answer's body. Envoy gives it up with
    /// the connection. `None` where it could not be sent, and nothing follows.
    pub fn ask(&self, cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout_ms: u64) -> Option<Callout> {
        let headers: Vec<KeyValue> = headers
            .iter()
            .map(|(key, value)| KeyValue { key: Bytes::of(key.as_bytes()), value: Bytes::of(value.as_bytes()) })
            .collect();
        let mut callout = 0;
        // SAFETY: `filter` is alive during the callback; Envoy copies everything before the call returns.
        let begun = unsafe {
            sys::envoy_dynamic_module_callback_network_filter_http_callout(
                self.filter,
                &mut callout,
                Bytes::of(cluster.as_bytes()),
                headers.as_ptr(),
                headers.len(),
                Bytes::of(body),
                timeout_ms,
            )
        };
        (begun == sys::CALLOUT_BEGUN).then_some(Callout(callout))
    }
}
