//! A way into a filter from other threads.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sys::{self, EnvoyPtr};

/// Wakes one filter on its own thread, from any; after the close of its connection it does nothing.
pub struct Scheduler(Arc<Line>);

impl Scheduler {
    /// Has `on_scheduled(event)` called soon, never within this call.
    pub fn commit(&self, event: u64) {
        if let State::Open(scheduler) = &*self.0.lock() {
            // SAFETY: the pointer is Envoy's, alive while the line is open.
            unsafe { sys::envoy_dynamic_module_callback_network_filter_scheduler_commit(scheduler.0, event) }
        }
    }
}

/// What all schedulers of one filter share.
///
/// Envoy's commit holds the filter for a moment. Were that the last hold, because the worker has let go of it meanwhile, the
/// filter would end on the committing thread, with whatever the two threads hold. So the line is cut, by the worker, when the
/// connection closes and the worker still holds the filter; the cut waits for a commit that is under way.
#[derive(Default)]
pub(crate) struct Line(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Unused,
    Open(Owned),
    Cut,
}

impl Line {
    /// `None` where the line is cut, or the connection is already going away.
    pub(crate) fn scheduler(self: &Arc<Self>, filter: EnvoyPtr) -> Option<Scheduler> {
        let mut state = self.lock();
        if let State::Unused = *state {
            // SAFETY: `filter` is alive during the callback in which this is called.
            let made = unsafe { sys::envoy_dynamic_module_callback_network_filter_scheduler_new(filter) };
            if !made.is_null() {
                *state = State::Open(Owned(made));
            }
        }
        matches!(*state, State::Open(_)).then(|| Scheduler(Arc::clone(self)))
    }

    /// From here on no scheduler of the filter does anything.
    pub(crate) fn cut(&self) {
        *self.lock() = State::Cut;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Envoy's own.
struct Owned(*mut c_void);

// SAFETY: Envoy made it to be committed from other threads; it is deleted once, by its owner.
unsafe impl Send for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: owned, deleted once.
        unsafe { sys::envoy_dynamic_module_callback_network_filter_scheduler_delete(self.0) }
    }
}
