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
        }
    }

    pub(super) fn envoy(&self) -> hooks::Envoy {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    pub(super) fn world(&self) -> &World {
        // SAFETY: a slot lives in its world.
        unsafe { &*self.world }
    }

    /// True where the next filter has its turn.
    pub(super) fn read(&self, has_bytes: bool) -> bool {
        let (envoy, filter) = (self.envoy(), self.filter.get());
        // SAFETY: the filter lives as long as the world.
        unsafe {
            if !self.initialised.replace(true)
                && hooks::envoy_dynamic_module_on_network_filter_new_connection(envoy, filter) != 0
            {
                return false;
            }
            let (length, end) = (self.world().read.borrow().len(), self.world().client_ended.get());
            !has_bytes || hooks::envoy_dynamic_module_on_network_filter_read(envoy, filter, length, end) == 0
        }
    }

    /// What passes to the next filter.
    pub(super) fn write(&self, bytes: Vec<u8>, end: bool) -> Option<Vec<u8>> {
        let length = bytes.len();
        // A write of the filter's own may pass by while another one is running.
        let outer = self.writing.replace(bytes);
        // SAFETY: as in `read`.
        let status = unsafe {
            hooks::envoy_dynamic_module_on_network_filter_write(self.envoy(), self.filter.get(), length, end)
        };
        let inner = self.writing.replace(outer);
        (status == 0).then_some(inner)
    }

    pub(super) fn event(&self, event: u32) {
        // SAFETY: as in `read`.
        unsafe { hooks::envoy_dynamic_module_on_network_filter_event(self.envoy(), self.filter.get(), event) };
    }

    pub(super) fn scheduled(&self, event: u64) {
        // SAFETY: as in `read`.
        unsafe { hooks::envoy_dynamic_module_on_network_filter_scheduled(self.envoy(), self.filter.get(), event) };
    }
}
