//! The C side, declared by hand: names and layouts as in abi.h of Envoy 1.40, nothing that is not called.
//!
//! Envoy's pointers are opaque here. Buffers that Envoy hands out live until the next call that changes what they point
//! into; buffers that the module hands over are copied by Envoy before the call returns.

use std::ffi::c_void;

/// Envoy's filter or configuration object.
pub type EnvoyPtr = *mut c_void;
/// The module's own object, as Envoy keeps it.
pub type ModulePtr = *const c_void;

/// Bytes of either side; both structs of the ABI have this layout.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    pub ptr: *const u8,
    pub length: usize,
}

impl Bytes {
    pub const EMPTY: Self = Self { ptr: std::ptr::null(), length: 0 };

    pub fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), length: bytes.len() }
    }

    /// # Safety
    /// `ptr` must be null, or valid for `length` bytes that nobody changes during `'a`.
    pub unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.length == 0 {
            return &[];
        }
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.ptr, self.length) }
    }
}

/// The init result of an HTTP callout that has begun.
pub const CALLOUT_BEGUN: u32 = 0;
/// The result of an HTTP callout that was answered.
pub const CALLOUT_ANSWERED: u32 = 0;

/// One entry of a metadata batch, or a header.
#[repr(C)]
pub struct KeyValue {
    pub key: Bytes,
    pub value: Bytes,
}

pub const CONTINUE: u32 = 0;
pub const STOP_ITERATION: u32 = 1;

/// What metrics calls return when all is well.
pub const METRICS_SUCCESS: u32 = 0;

/// Attributes, numbered as in the ABI's enum.
pub const ATTRIBUTE_UPSTREAM_LOCAL_ADDRESS: u32 = 51;
pub const ATTRIBUTE_UPSTREAM_TRANSPORT_FAILURE_REASON: u32 = 52;

unsafe extern "C" {
    pub fn envoy_dynamic_module_callback_log(level: u32, message: Bytes);
    pub fn envoy_dynamic_module_callback_log_enabled(level: u32) -> bool;

    pub fn envoy_dynamic_module_callback_listener_filter_get_buffer_chunk(filter: EnvoyPtr, chunk: *mut Bytes) -> bool;
    pub fn envoy_dynamic_module_callback_listener_filter_drain_buffer(filter: EnvoyPtr, length: usize) -> bool;
    pub fn envoy_dynamic_module_callback_listener_filter_write_to_socket(filter: EnvoyPtr, data: Bytes) -> i64;
    pub fn envoy_dynamic_module_callback_listener_filter_close_socket(filter: EnvoyPtr, details: Bytes);
    pub fn envoy_dynamic_module_callback_listener_filter_set_filter_state(
        filter: EnvoyPtr,
        key: Bytes,
        value: Bytes,
    ) -> bool;

    pub fn envoy_dynamic_module_callback_network_filter_get_read_buffer_size(filter: EnvoyPtr) -> usize;
    pub fn envoy_dynamic_module_callback_network_filter_get_read_buffer_chunks_size(filter: EnvoyPtr) -> usize;
    pub fn envoy_dynamic_module_callback_network_filter_get_read_buffer_chunks(
        filter: EnvoyPtr,
        chunks: *mut Bytes,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_network_filter_drain_read_buffer(filter: EnvoyPtr, length: usize) -> bool;
    pub fn envoy_dynamic_module_callback_network_filter_append_read_buffer(filter: EnvoyPtr, data: Bytes) -> bool;
    pub fn envoy_dynamic_module_callback_network_filter_prepend_read_buffer(filter: EnvoyPtr, data: Bytes) -> bool;
    pub fn envoy_dynamic_module_callback_network_filter_prepend_write_buffer(filter: EnvoyPtr, data: Bytes) -> bool;
    pub fn envoy_dynamic_module_callback_network_filter_get_write_buffer_size(filter: EnvoyPtr) -> usize;
    pub fn envoy_dynamic_module_callback_network_filter_get_write_buffer_chunks_size(filter: EnvoyPtr) -> usize;
    pub fn envoy_dynamic_module_callback_network_filter_get_write_buffer_chunks(
        filter: EnvoyPtr,
        chunks: *mut Bytes,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_network_filter_drain_write_buffer(filter: EnvoyPtr, length: usize) -> bool;
    pub fn envoy_dynamic_module_callback_network_filter_append_write_buffer(filter: EnvoyPtr, data: Bytes) -> bool;

    pub fn envoy_dynamic_module_callback_network_filter_config_define_counter(
        config: EnvoyPtr,
        name: Bytes,
        id: *mut usize,
    ) -> u32;
    pub fn envoy_dynamic_module_callback_network_filter_config_define_histogram(
        config: EnvoyPtr,
        name: Bytes,
        id: *mut usize,
    ) -> u32;
    pub fn envoy_dynamic_module_callback_network_filter_increment_counter(
        filter: EnvoyPtr,
        id: usize,
        value: u64,
    ) -> u32;
    pub fn envoy_dynamic_module_callback_network_filter_record_histogram_value(
        filter: EnvoyPtr,
        id: usize,
        value: u64,
    ) -> u32;
    pub fn envoy_dynamic_module_callback_network_filter_write(filter: EnvoyPtr, data: Bytes, end_stream: bool);
    pub fn envoy_dynamic_module_callback_network_filter_close_with_details(
        filter: EnvoyPtr,
        close: u32,
        details: Bytes,
    );
    pub fn envoy_dynamic_module_callback_network_filter_http_callout(
        filter: EnvoyPtr,
        callout: *mut u64,
        cluster: Bytes,
        headers: *const KeyValue,
        count: usize,
        body: Bytes,
        timeout_ms: u64,
    ) -> u32;
    pub fn envoy_dynamic_module_callback_network_filter_is_ssl(filter: EnvoyPtr) -> bool;
    pub fn envoy_dynamic_module_callback_network_filter_disable_close(filter: EnvoyPtr, disabled: bool);
    pub fn envoy_dynamic_module_callback_network_filter_start_upstream_secure_transport(filter: EnvoyPtr) -> bool;
    pub fn envoy_dynamic_module_callback_network_filter_inject_read_data(
        filter: EnvoyPtr,
        data: Bytes,
        end_stream: bool,
    );
    pub fn envoy_dynamic_module_callback_network_filter_inject_write_data(
        filter: EnvoyPtr,
        data: Bytes,
        end_stream: bool,
    );

    pub fn envoy_dynamic_module_callback_network_filter_get_attribute_string(
        filter: EnvoyPtr,
        attribute: u32,
        value: *mut Bytes,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_network_filter_get_cluster_host_count(
        filter: EnvoyPtr,
        cluster: Bytes,
        priority: u32,
        total: *mut usize,
        healthy: *mut usize,
        degraded: *mut usize,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_network_get_filter_state_bytes(
        filter: EnvoyPtr,
        key: Bytes,
        value: *mut Bytes,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_network_set_filter_state_typed(
        filter: EnvoyPtr,
        key: Bytes,
        value: Bytes,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_network_set_dynamic_metadata_string_batch(
        filter: EnvoyPtr,
        namespace: Bytes,
        entries: *const KeyValue,
        count: usize,
    );
    pub fn envoy_dynamic_module_callback_network_set_dynamic_metadata_number(
        filter: EnvoyPtr,
        namespace: Bytes,
        key: Bytes,
        value: f64,
    );
    pub fn envoy_dynamic_module_callback_network_set_dynamic_metadata_bool(
        filter: EnvoyPtr,
        namespace: Bytes,
        key: Bytes,
        value: bool,
    );
    pub fn envoy_dynamic_module_callback_network_get_dynamic_metadata_string(
        filter: EnvoyPtr,
        namespace: Bytes,
        key: Bytes,
        value: *mut Bytes,
    ) -> bool;
    pub fn envoy_dynamic_module_callback_network_get_dynamic_metadata_number(
        filter: EnvoyPtr,
        namespace: Bytes,
        key: Bytes,
        value: *mut f64,
    ) -> bool;

    pub fn envoy_dynamic_module_callback_network_filter_scheduler_new(filter: EnvoyPtr) -> *mut c_void;
    pub fn envoy_dynamic_module_callback_network_filter_scheduler_commit(scheduler: *mut c_void, event: u64);
    pub fn envoy_dynamic_module_callback_network_filter_scheduler_delete(scheduler: *mut c_void);
}
