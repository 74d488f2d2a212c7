//! What the module offers to Envoy, called as Envoy calls it.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::OnceLock;

/// Bytes as both sides of the ABI hand them over.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    pub ptr: *const u8,
    pub length: usize,
}

impl Bytes {
    pub fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), length: bytes.len() }
    }

    /// # Safety
    /// `ptr` must be null or valid for `length` bytes during `'a`.
    pub unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() {
            return &[];
        }
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.ptr, self.length) }
    }

    /// # Safety
    /// As for `as_slice`.
    pub unsafe fn to_text(self) -> String {
        // SAFETY: the caller's promise.
        String::from_utf8(unsafe { self.as_slice() }.to_vec()).expect("the module names things in UTF-8")
    }
}

pub type Module = *const c_void;
pub type Envoy = *mut c_void;

unsafe extern "C" {
    pub fn envoy_dynamic_module_on_network_filter_config_new(envoy: Envoy, name: Bytes, config: Bytes) -> Module;
    pub fn envoy_dynamic_module_on_network_filter_new(config: Module, envoy: Envoy) -> Module;
    pub fn envoy_dynamic_module_on_network_filter_new_connection(envoy: Envoy, filter: Module) -> u32;
    pub fn envoy_dynamic_module_on_network_filter_read(envoy: Envoy, filter: Module, length: usize, end: bool) -> u32;
    pub fn envoy_dynamic_module_on_network_filter_write(envoy: Envoy, filter: Module, length: usize, end: bool) -> u32;
    pub fn envoy_dynamic_module_on_network_filter_event(envoy: Envoy, filter: Module, event: u32);
    pub fn envoy_dynamic_module_on_network_filter_scheduled(envoy: Envoy, filter: Module, event: u64);
    pub fn envoy_dynamic_module_on_network_filter_http_callout_done(
        envoy: Envoy,
        filter: Module,
        callout: u64,
        result: u32,
        headers: *const c_void,
        headers_count: usize,
        chunks: *const Bytes,
        count: usize,
    );
    pub fn envoy_dynamic_module_on_network_filter_destroy(filter: Module);
    pub fn envoy_dynamic_module_on_listener_filter_config_new(envoy: Envoy, name: Bytes, config: Bytes) -> Module;
    pub fn envoy_dynamic_module_on_listener_filter_new(config: Module, envoy: Envoy) -> Module;
    pub fn envoy_dynamic_module_on_listener_filter_on_accept(envoy: Envoy, filter: Module) -> u32;
    pub fn envoy_dynamic_module_on_listener_filter_on_data(envoy: Envoy, filter: Module, length: usize) -> u32;
    pub fn envoy_dynamic_module_on_listener_filter_get_max_read_bytes(envoy: Envoy, filter: Module) -> usize;
    pub fn envoy_dynamic_module_on_listener_filter_destroy(filter: Module);
}

/// The configurations of one protocol's filters; they live as long as the process, as a listener that never changes.
#[derive(Clone, Copy)]
pub struct Configured {
    pub handshake: Module,
    pub startup: Module,
    pub session: Module,
}

// SAFETY: factories are `Sync`; the pointers are only read.
unsafe impl Send for Configured {}
// SAFETY: as above.
unsafe impl Sync for Configured {}

/// The filters of a listener for `postgres` or `mysql` on which plaintext is allowed.
pub fn configured(protocol: &'static str) -> Configured {
    static POSTGRES: OnceLock<Configured> = OnceLock::new();
    static MYSQL: OnceLock<Configured> = OnceLock::new();
    let known = if protocol == "postgres" { &POSTGRES } else { &MYSQL };
    *known.get_or_init(|| {
        let greeting =
            r#","greeting":{"version":"10.11","capabilities":2181035982,"mariadb_capabilities":29,"collation":45}"#;
        let greeting = if protocol == "mysql" { greeting } else { "" };
        sluice_module_linked::envoy_dynamic_module_on_program_init();
        let listener = |name: &str, config: String| {
            // SAFETY: the bytes live during the call.
            unsafe {
                let (name, config) = (Bytes::of(name.as_bytes()), Bytes::of(config.as_bytes()));
                envoy_dynamic_module_on_listener_filter_config_new(null_mut(), name, config)
            }
        };
        let network = |name: &str, config: String| {
            // SAFETY: the bytes live during the call.
            unsafe {
                let (name, config) = (Bytes::of(name.as_bytes()), Bytes::of(config.as_bytes()));
                envoy_dynamic_module_on_network_filter_config_new(null_mut(), name, config)
            }
        };
        let all = Configured {
            handshake: listener("handshake", format!(r#"{{"protocol":"{protocol}","plaintext":"allow"{greeting}}}"#)),
            startup: network("startup", format!(r#"{{"protocol":"{protocol}","listener":"l","deadline_ms":600000}}"#)),
            session: network(
                "session",
                format!(r#"{{"protocol":"{protocol}","login_deadline_ms":600000,"connect_grace_ms":0}}"#),
            ),
        };
        assert!(![all.handshake, all.startup, all.session].contains(&std::ptr::null()), "a configuration was rejected");
        all
    })
}
