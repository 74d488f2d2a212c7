//! One filter of the module in its place, as Envoy enters it.

use std::cell::{Cell, RefCell};

use super::World;
use super::hooks::{self, Module};

/// One filter's view: what Envoy hands to the module as its pointer.
pub struct Slot {
    pub(super) world: *const World,
    pub(super) at: usize,
    pub(super) filter: Cell<Module>,
    pub(super) initialised: Cell<bool>,
    /// The buffer of the write callback that is running.
    pub(super) writing: RefCell<Vec<u8>>,
    /// How many calls of the filter are under way, one within the other.
    depth: Cell<usize>,
    /// The close event was raised.
    ended: Cell<bool>,
    /// And no call is under way any more in which it was.
    over: Cell<bool>,
}

impl Slot {
    /// Nobody's yet.
    pub(super) fn new(at: usize) -> Self {
        Self {
            world: std::ptr::null(),
            at,
            filter: Cell::new(std::ptr::null()),
            initialised: Cell::new(false),
            writing: RefCell::default(),
            depth: Cell::new(0),
            ended: Cell::new(false),
            over: Cell::new(false),
        }
    }

    pub(super) fn envoy(&self) -> hooks::Envoy {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    pub(super) fn world(&self) -> &World {
        // SAFETY: a slot lives in its world.
        unsafe { &*self.world }
    }

    /// The filter does something to its connection. Whoever knows of its end lets it be.
    pub(super) fn acts(&self) -> &World {
        assert!(!self.over.get(), "touches the connection behind its end");
        self.world()
    }

    fn within<R>(&self, call: impl FnOnce() -> R) -> R {
        self.depth.set(self.depth.get() + 1);
        let result = call();
        self.depth.set(self.depth.get() - 1);
        self.over.set(self.ended.get() && self.depth.get() == 0);
        result
    }

    /// True where the next filter has its turn.
    pub(super) fn read(&self, has_bytes: bool) -> bool {
        let (envoy, filter) = (self.envoy(), self.filter.get());
        // SAFETY: the filter lives as long as the world.
        self.within(|| unsafe {
            if !self.initialised.replace(true)
                && hooks::envoy_dynamic_module_on_network_filter_new_connection(envoy, filter) != 0
            {
                return false;
            }
            let (length, end) = (self.world().read.borrow().len(), self.world().client_ended.get());
            !has_bytes || hooks::envoy_dynamic_module_on_network_filter_read(envoy, filter, length, end) == 0
        })
    }

    /// What passes to the next filter.
    pub(super) fn write(&self, bytes: Vec<u8>, end: bool) -> Option<Vec<u8>> {
        let length = bytes.len();
        // A write of the filter's own may pass by while another one is running.
        let outer = self.writing.replace(bytes);
        // SAFETY: as in `read`.
        let status = self.within(|| unsafe {
            hooks::envoy_dynamic_module_on_network_filter_write(self.envoy(), self.filter.get(), length, end)
        });
        let inner = self.writing.replace(outer);
        (status == 0).then_some(inner)
    }

    pub(super) fn event(&self, event: u32) {
        self.ended.set(self.ended.get() || event < 2);
        // SAFETY: as in `read`.
        self.within(|| unsafe {
            hooks::envoy_dynamic_module_on_network_filter_event(self.envoy(), self.filter.get(), event)
        });
    }

    pub(super) fn scheduled(&self, event: u64) {
        // SAFETY: as in `read`.
        self.within(|| unsafe {
            hooks::envoy_dynamic_module_on_network_filter_scheduled(self.envoy(), self.filter.get(), event)
        });
    }

    pub(super) fn answered(&self, callout: u64, body: Option<&[u8]>) {
        let chunks: Vec<_> = body.unwrap_or_default().chunks(self.world().chunk).map(hooks::Bytes::of).collect();
        // SAFETY: as in `read`; the chunks live as long as the call.
        self.within(|| unsafe {
            hooks::envoy_dynamic_module_on_network_filter_http_callout_done(
                self.envoy(),
                self.filter.get(),
                callout,
                u32::from(body.is_none()),
                std::ptr::null(),
                0,
                chunks.as_ptr(),
                chunks.len(),
            );
        });
    }
}
