//! What Envoy offers to the module. One that the module uses and that is missing here does not link.

use std::ffi::c_void;

use super::hooks::{Bytes, Envoy};
use super::{Accepted, Commits, Deed, Fact, Slot, Way, World};

const FLUSH_WRITE: u32 = 0;
const CANNOT_CREATE_REQUEST: u32 = 4;

/// One entry of a metadata batch.
#[repr(C)]
struct KeyValue {
    key: Bytes,
    value: Bytes,
}

/// # Safety
/// `envoy` must be a slot that lives.
unsafe fn slot<'a>(envoy: Envoy) -> &'a Slot {
    // SAFETY: the caller's promise.
    unsafe { &*envoy.cast::<Slot>() }
}

/// # Safety
/// `envoy` must be a slot that lives.
unsafe fn world<'a>(envoy: Envoy) -> &'a World {
    // SAFETY: the caller's promise.
    unsafe { slot(envoy) }.world()
}

/// # Safety
/// `envoy` must be a slot that lives.
unsafe fn acting<'a>(envoy: Envoy) -> &'a World {
    // SAFETY: the caller's promise.
    unsafe { slot(envoy) }.acts()
}

/// # Safety
/// `envoy` must be a socket that lives.
unsafe fn socket<'a>(envoy: Envoy) -> &'a Accepted {
    // SAFETY: the caller's promise.
    unsafe { &*envoy.cast::<Accepted>() }
}

/// Declares callbacks; each is called by the module with a pointer that it was given and that lives, and with bytes that live
/// during the call, which is what makes them sound.
macro_rules! callbacks {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? {
                // SAFETY: see the macro.
                #[allow(unused_unsafe, clippy::undocumented_unsafe_blocks)]
                unsafe { $body }
            }
        )*
    };
}

/// Shows `bytes` in chunks of `size`.
unsafe fn fill(chunks: *mut Bytes, bytes: &[u8], size: usize) -> bool {
    for (at, chunk) in bytes.chunks(size).enumerate() {
        // SAFETY: the module made room for as many as it was told.
        unsafe { chunks.add(at).write(Bytes::of(chunk)) };
    }
    true
}

callbacks! {
    fn envoy_dynamic_module_callback_log(_level: u32, message: Bytes) {
        // The edge says so where it catches a panic.
        let message = message.to_text();
        assert!(!message.contains("bug:"), "{message}");
    }
    fn envoy_dynamic_module_callback_log_enabled(level: u32) -> bool { level >= 3 }

    fn envoy_dynamic_module_callback_listener_filter_get_buffer_chunk(envoy: Envoy, chunk: *mut Bytes) -> bool {
        *chunk = Bytes::of(&socket(envoy).peeked.borrow());
        true
    }
    fn envoy_dynamic_module_callback_listener_filter_drain_buffer(envoy: Envoy, length: usize) -> bool {
        let socket = socket(envoy);
        let mut peeked = socket.peeked.borrow_mut();
        assert!(length <= peeked.len(), "drains {length} of {}", peeked.len());
        peeked.drain(..length);
        socket.taken.set(socket.taken.get() + length);
        true
    }
    fn envoy_dynamic_module_callback_listener_filter_write_to_socket(envoy: Envoy, data: Bytes) -> i64 {
        assert!(!socket(envoy).closed.get(), "writes after the close");
        socket(envoy).sent.borrow_mut().extend_from_slice(data.as_slice());
        data.length as i64
    }
    fn envoy_dynamic_module_callback_listener_filter_close_socket(envoy: Envoy, _details: Bytes) {
        socket(envoy).closed.set(true);
    }
    fn envoy_dynamic_module_callback_listener_filter_set_filter_state(envoy: Envoy, key: Bytes, value: Bytes) -> bool {
        socket(envoy).state.borrow_mut().insert(key.to_text(), value.as_slice().to_vec());
        true
    }

    fn envoy_dynamic_module_callback_network_filter_get_read_buffer_size(envoy: Envoy) -> usize {
        world(envoy).read.borrow().len()
    }
    fn envoy_dynamic_module_callback_network_filter_get_read_buffer_chunks_size(envoy: Envoy) -> usize {
        world(envoy).read.borrow().chunks(world(envoy).chunk).len()
    }
    fn envoy_dynamic_module_callback_network_filter_get_read_buffer_chunks(envoy: Envoy, chunks: *mut Bytes) -> bool {
        fill(chunks, &world(envoy).read.borrow(), world(envoy).chunk)
    }
    fn envoy_dynamic_module_callback_network_filter_drain_read_buffer(envoy: Envoy, length: usize) -> bool {
        world(envoy).read.borrow_mut().drain(..length);
        true
    }
    fn envoy_dynamic_module_callback_network_filter_append_read_buffer(envoy: Envoy, data: Bytes) -> bool {
        world(envoy).read.borrow_mut().extend_from_slice(data.as_slice());
        true
    }
    fn envoy_dynamic_module_callback_network_filter_prepend_read_buffer(envoy: Envoy, data: Bytes) -> bool {
        world(envoy).read.borrow_mut().splice(..0, data.as_slice().iter().copied());
        true
    }
    fn envoy_dynamic_module_callback_network_filter_get_write_buffer_size(envoy: Envoy) -> usize {
        slot(envoy).writing.borrow().len()
    }
    fn envoy_dynamic_module_callback_network_filter_get_write_buffer_chunks_size(envoy: Envoy) -> usize {
        slot(envoy).writing.borrow().chunks(world(envoy).chunk).len()
    }
    fn envoy_dynamic_module_callback_network_filter_get_write_buffer_chunks(envoy: Envoy, chunks: *mut Bytes) -> bool {
        fill(chunks, &slot(envoy).writing.borrow(), world(envoy).chunk)
    }
    fn envoy_dynamic_module_callback_network_filter_drain_write_buffer(envoy: Envoy, length: usize) -> bool {
        slot(envoy).writing.borrow_mut().drain(..length);
        true
    }
    fn envoy_dynamic_module_callback_network_filter_append_write_buffer(envoy: Envoy, data: Bytes) -> bool {
        slot(envoy).writing.borrow_mut().extend_from_slice(data.as_slice());
        true
    }
    fn envoy_dynamic_module_callback_network_filter_prepend_write_buffer(envoy: Envoy, data: Bytes) -> bool {
        slot(envoy).writing.borrow_mut().splice(..0, data.as_slice().iter().copied());
        true
    }

    fn envoy_dynamic_module_callback_network_filter_write(envoy: Envoy, data: Bytes, end: bool) {
        acting(envoy).write(2, data.as_slice().to_vec(), end);
    }
    fn envoy_dynamic_module_callback_network_filter_inject_write_data(envoy: Envoy, data: Bytes, _end: bool) {
        // Behind this filter are those nearer to the client; none of them changes anything, and a close may wait.
        let world = acting(envoy);
        world.reaches_client(data.as_slice());
        world.deed(Deed::Speak);
    }
    fn envoy_dynamic_module_callback_network_filter_inject_read_data(envoy: Envoy, data: Bytes, end: bool) {
        assert_eq!(slot(envoy).at, 1, "past the check");
        let world = acting(envoy);
        world.deed(Deed::SendUpstream);
        if !world.died.get() {
            world.proxy(data.as_slice().to_vec(), end);
        }
    }
    fn envoy_dynamic_module_callback_network_filter_http_callout(
        envoy: Envoy,
        callout: *mut u64,
        _cluster: Bytes,
        headers: *const KeyValue,
        count: usize,
        body: Bytes,
        _timeout_ms: u64
    ) -> u32 {
        assert!(acting(envoy).is_open(), "asks after the close");
        let mut headers = std::slice::from_raw_parts(headers, count).iter();
        let path = headers.find(|header| header.key.as_slice() == b":path").expect("a path").value.to_text();
        world(envoy).puts(path, body.as_slice().to_vec());
        *callout = world(envoy).questions.borrow().len() as u64;
        if !world(envoy).brain_is_there.get() {
            world(envoy).told.set(*callout);
            return CANNOT_CREATE_REQUEST;
        }
        0
    }
    fn envoy_dynamic_module_callback_network_filter_start_upstream_secure_transport(envoy: Envoy) -> bool {
        let world = acting(envoy);
        assert!(world.in_clear.get().is_none(), "TLS is started twice");
        world.in_clear.set(Some(world.to_server.borrow().len()));
        true
    }
    fn envoy_dynamic_module_callback_network_filter_close_with_details(envoy: Envoy, close: u32, details: Bytes) {
        acting(envoy).close(&details.to_text(), close == FLUSH_WRITE);
    }
    fn envoy_dynamic_module_callback_network_filter_disable_close(envoy: Envoy, disabled: bool) {
        let world = acting(envoy);
        world.close_held.set(disabled);
        let waits = if disabled { None } else { world.close_waits.take() };
        if let Some((details, flush)) = waits {
            world.close(&details, flush);
        }
    }
    fn envoy_dynamic_module_callback_network_filter_config_define_counter(
        _config: Envoy,
        _name: Bytes,
        id: *mut usize
    ) -> u32 {
        *id = 1;
        0
    }
    fn envoy_dynamic_module_callback_network_filter_config_define_histogram(
        _config: Envoy,
        _name: Bytes,
        id: *mut usize
    ) -> u32 {
        *id = 1;
        0
    }
    fn envoy_dynamic_module_callback_network_filter_increment_counter(envoy: Envoy, id: usize, value: u64) -> u32 {
        assert_eq!(id, 1, "never defined");
        assert!(value < 1 << 32, "counts down");
        acting(envoy);
        0
    }
    fn envoy_dynamic_module_callback_network_filter_record_histogram_value(
        envoy: Envoy,
        id: usize,
        _value: u64
    ) -> u32 {
        assert_eq!(id, 1, "never defined");
        acting(envoy);
        0
    }
    fn envoy_dynamic_module_callback_network_filter_is_ssl(envoy: Envoy) -> bool { world(envoy).is_tls }

    fn envoy_dynamic_module_callback_network_filter_get_attribute_string(
        envoy: Envoy,
        attribute: u32,
        value: *mut Bytes
    ) -> bool {
        let text: &'static [u8] = match (attribute, world(envoy).way.get()) {
            (51, Way::Connected) => b"10.0.0.1:1",
            (52, Way::Failed) => b"delayed connect error: Connection refused",
            _ => return false,
        };
        *value = Bytes::of(text);
        true
    }
    fn envoy_dynamic_module_callback_network_filter_get_cluster_host_count(
        _envoy: Envoy,
        cluster: Bytes,
        _priority: u32,
        total: *mut usize,
        healthy: *mut usize,
        degraded: *mut usize
    ) -> bool {
        let hosts = usize::from(cluster.as_slice() == b"service/known");
        (*total, *healthy, *degraded) = (hosts, hosts, 0);
        hosts == 1 || cluster.as_slice() == b"service/empty"
    }
    fn envoy_dynamic_module_callback_network_get_filter_state_bytes(
        envoy: Envoy,
        key: Bytes,
        value: *mut Bytes
    ) -> bool {
        let state = world(envoy).state.borrow();
        let Some(found) = state.get(&key.to_text()) else { return false };
        *value = Bytes::of(found);
        true
    }
    fn envoy_dynamic_module_callback_network_set_filter_state_typed(envoy: Envoy, key: Bytes, value: Bytes) -> bool {
        acting(envoy).state.borrow_mut().insert(key.to_text(), value.as_slice().to_vec());
        true
    }
    fn envoy_dynamic_module_callback_network_set_dynamic_metadata_string_batch(
        envoy: Envoy,
        namespace: Bytes,
        entries: *const KeyValue,
        count: usize
    ) {
        for KeyValue { key, value } in std::slice::from_raw_parts(entries, count) {
            acting(envoy)
                .facts
                .borrow_mut()
                .insert((namespace.to_text(), key.to_text()), Fact::Text(value.to_text()));
        }
    }
    fn envoy_dynamic_module_callback_network_set_dynamic_metadata_number(
        envoy: Envoy,
        namespace: Bytes,
        key: Bytes,
        value: f64
    ) {
        acting(envoy).facts.borrow_mut().insert((namespace.to_text(), key.to_text()), Fact::Number(value));
    }
    fn envoy_dynamic_module_callback_network_set_dynamic_metadata_bool(
        envoy: Envoy,
        namespace: Bytes,
        key: Bytes,
        value: bool
    ) {
        acting(envoy).facts.borrow_mut().insert((namespace.to_text(), key.to_text()), Fact::Flag(value));
    }
    fn envoy_dynamic_module_callback_network_get_dynamic_metadata_string(
        envoy: Envoy,
        namespace: Bytes,
        key: Bytes,
        value: *mut Bytes
    ) -> bool {
        let facts = world(envoy).facts.borrow();
        let Some(Fact::Text(text)) = facts.get(&(namespace.to_text(), key.to_text())) else { return false };
        *value = Bytes::of(text.as_bytes());
        true
    }
    fn envoy_dynamic_module_callback_network_get_dynamic_metadata_number(
        envoy: Envoy,
        namespace: Bytes,
        key: Bytes,
        value: *mut f64
    ) -> bool {
        let facts = world(envoy).facts.borrow();
        let Some(Fact::Number(number)) = facts.get(&(namespace.to_text(), key.to_text())) else { return false };
        *value = *number;
        true
    }

    fn envoy_dynamic_module_callback_network_filter_scheduler_new(envoy: Envoy) -> *mut c_void {
        let scheduler = Scheduler { commits: acting(envoy).commits.clone(), at: slot(envoy).at, thread: world(envoy).thread };
        Box::into_raw(Box::new(scheduler)).cast()
    }
    fn envoy_dynamic_module_callback_network_filter_scheduler_commit(scheduler: *mut c_void, event: u64) {
        let Scheduler { commits, at, thread } = &*scheduler.cast::<Scheduler>();
        // Alarms ring when the input says so, not by the clock's own thread: a run must be repeatable.
        if std::thread::current().id() == *thread {
            commits.lock().expect("no panic").push((*at, event));
        }
    }
    fn envoy_dynamic_module_callback_network_filter_scheduler_delete(scheduler: *mut c_void) {
        drop(Box::from_raw(scheduler.cast::<Scheduler>()));
    }
}

/// A way into a filter from other threads.
struct Scheduler {
    commits: Commits,
    at: usize,
    thread: std::thread::ThreadId,
}
