//! The way to the server, as far as the filters before tcp_proxy can see it.

use crate::connection::Connection;
use crate::sys::{self, Bytes};

/// The way to the server, as tcp_proxy has got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// Not there, and no try has failed.
    Pending,
    /// It stands.
    Connected,
    /// The last try failed, for this reason; tcp_proxy may be trying again.
    Failed(String),
}

impl Connection<'_> {
    /// How far the way to the server is.
    pub fn upstream(&self) -> Upstream {
        // Set only once the connection stands; the failure's text stays from an earlier try.
        if self.attribute(sys::ATTRIBUTE_UPSTREAM_LOCAL_ADDRESS).is_some_and(|address| !address.is_empty()) {
            return Upstream::Connected;
        }
        match self.attribute(sys::ATTRIBUTE_UPSTREAM_TRANSPORT_FAILURE_REASON) {
            Some(reason) if !reason.is_empty() => Upstream::Failed(reason),
            _ => Upstream::Pending,
        }
    }

    /// Starts TLS to the server, over a way that can; false where it can't. What is sent from now on goes behind it.
    /// Only where the way stands: Envoy would not survive it otherwise.
    pub fn start_upstream_tls(&self) -> bool {
        // SAFETY: as in `text`.
        unsafe { sys::envoy_dynamic_module_callback_network_filter_start_upstream_secure_transport(self.filter) }
    }

    /// Sends `bytes` towards the server as if the client had; nothing follows after `end_stream`.
    pub fn send_upstream(&self, bytes: &[u8], end_stream: bool) {
        // SAFETY: as in `text`; Envoy copies the bytes.
        unsafe {
            sys::envoy_dynamic_module_callback_network_filter_inject_read_data(
                self.filter,
                Bytes::of(bytes),
                end_stream,
            );
        }
    }

    fn attribute(&self, attribute: u32) -> Option<String> {
        let mut value = Bytes::EMPTY;
        // SAFETY: as in `text`.
        unsafe {
            sys::envoy_dynamic_module_callback_network_filter_get_attribute_string(self.filter, attribute, &mut value)
                .then(|| String::from_utf8_lossy(value.as_slice()).into_owned())
        }
    }

    /// How many hosts `cluster` has on this worker, healthy or not; `None` where the cluster is unknown.
    pub fn cluster_hosts(&self, cluster: &str) -> Option<usize> {
        let [mut total, mut healthy, mut degraded] = [0; 3];
        // SAFETY: as in `write`.
        unsafe {
            sys::envoy_dynamic_module_callback_network_filter_get_cluster_host_count(
                self.filter,
                Bytes::of(cluster.as_bytes()),
                0,
                &mut total,
                &mut healthy,
                &mut degraded,
            )
            .then_some(total)
        }
    }
}
