//! The edge itself: the one module, logging, and where panics end.

use std::any::Any;
use std::cell::Cell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use crate::Module;
use crate::sys::{self, Bytes};

static MODULE: OnceLock<&'static dyn Module> = OnceLock::new();

/// Remembers `module` and names the ABI version that this crate is written against.
pub fn start(module: &'static dyn Module) -> *const c_char {
    // Envoy loads the module once a process; a second call could only bring the same one.
    let _ = MODULE.set(module);
    stay_loaded();
    c"v0.2.0".as_ptr()
}

/// Envoy unloads a module with its last configuration, unless it is told `do_not_close`. Threads of the module would then
/// run through unmapped memory, so it holds on to itself.
fn stay_loaded() {
    let mut here = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `here` is valid for writes; where `dladdr` succeeds, `dli_fname` is a C string of the loader. RTLD_NOLOAD
    // loads nothing: it only marks what is there already.
    unsafe {
        if libc::dladdr(stay_loaded as *const libc::c_void, here.as_mut_ptr()) != 0 {
            libc::dlopen(here.assume_init().dli_fname, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}

pub(crate) fn module() -> Option<&'static dyn Module> {
    MODULE.get().copied()
}

/// Envoy's log levels, as far as used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For people who look into one connection.
    Debug = 1,
    /// Something the operator should look at.
    Warn = 3,
    /// Something that is broken.
    Error = 4,
}

/// Writes to Envoy's log, component `dynamic_modules`. `message` is only made where the level is on.
pub fn log(level: Level, message: impl FnOnce() -> String) {
    // SAFETY: both calls take plain values, the bytes are copied.
    unsafe {
        if sys::envoy_dynamic_module_callback_log_enabled(level as u32) {
            sys::envoy_dynamic_module_callback_log(
                level as u32,
                Bytes::of(format!("sluice: {}", message()).as_bytes()),
            );
        }
    }
}

/// Runs `call`; a panic is logged and becomes `None`. Unwinding into Envoy would be undefined behaviour.
pub(crate) fn guarded<R>(hook: &str, call: impl FnOnce() -> R) -> Option<R> {
    // What the closure leaves half done is the state of one connection, and that connection is closed by the caller.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Some(result),
        Err(panic) => {
            log(Level::Error, || format!("bug: {hook} panicked: {}", reason(&*panic)));
            // The payload's own drop may panic.
            std::mem::forget(panic);
            None
        }
    }
}

thread_local! {
    static PROBE: Cell<bool> = const { Cell::new(false) };
}

/// Does a write that `call` makes come to the write filters of this thread? It is kept from going any further.
pub(crate) fn is_passed_on(call: impl FnOnce()) -> bool {
    PROBE.set(true);
    call();
    !PROBE.take()
}

/// Is this write the one of [`is_passed_on`]? Asked once.
pub(crate) fn is_probe() -> bool {
    PROBE.take()
}

fn reason(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a text")
}
