//! A way into a filter from other threads.

use std::ffi::c_void;

use crate::sys;

/// Wakes one filter on its own thread. It holds Envoy's filter weakly: committing for a filter that is gone does nothing.
/// It must not be used after Envoy's workers have ended, so drop it with the filter.
pub struct Scheduler(*mut c_void);

// SAFETY: Envoy made it to be committed from other threads; it is deleted once, by its owner.
unsafe impl Send for Scheduler {}

impl Scheduler {
    /// Owns what `scheduler_new` returned; `None` for null.
    pub(crate) fn owning(scheduler: *mut c_void) -> Option<Self> {
        (!scheduler.is_null()).then_some(Self(scheduler))
    }

    /// Has `on_scheduled(event)` called soon, never within this call.
    pub fn commit(&self, event: u64) {
        // SAFETY: the pointer is Envoy's and alive until `drop`.
        unsafe { sys::envoy_dynamic_module_callback_network_filter_scheduler_commit(self.0, event) }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // SAFETY: owned, deleted once.
        unsafe { sys::envoy_dynamic_module_callback_network_filter_scheduler_delete(self.0) }
    }
}
