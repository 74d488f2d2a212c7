//! The listener filter's part: a socket that is peeked at until its filter chain can be chosen.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::hooks::{self, Configured};

/// A socket that was just accepted, before its filter chain is chosen.
pub struct Accepted {
    pub(super) peeked: RefCell<Vec<u8>>,
    pub taken: Cell<usize>,
    pub sent: RefCell<Vec<u8>>,
    pub closed: Cell<bool>,
    pub(super) state: RefCell<BTreeMap<String, Vec<u8>>>,
}

/// How a handshake ended.
pub enum Opened {
    /// The filter chain is chosen; these bytes of the client are left for it.
    Passed { left: Vec<u8>, state: BTreeMap<String, Vec<u8>> },
    /// Closed, or still waiting.
    Ended,
}

/// Runs the listener filter over what a client sends, piece by piece. `pieces` gives the next one, or `None`.
pub fn open<'a>(configured: Configured, mut pieces: impl FnMut() -> Option<&'a [u8]>) -> (Accepted, Opened) {
    let socket = Accepted {
        peeked: RefCell::default(),
        taken: Cell::new(0),
        sent: RefCell::default(),
        closed: Cell::new(false),
        state: RefCell::default(),
    };
    let envoy: hooks::Envoy = std::ptr::from_ref(&socket).cast_mut().cast();
    // SAFETY: the filter is destroyed before its socket; the configuration lives for ever.
    unsafe {
        let filter = hooks::envoy_dynamic_module_on_listener_filter_new(configured.handshake, envoy);
        hooks::envoy_dynamic_module_on_listener_filter_on_accept(envoy, filter);
        let most = hooks::envoy_dynamic_module_on_listener_filter_get_max_read_bytes(envoy, filter);
        let mut unseen = Vec::new();
        let mut passed = false;
        while let (false, false, Some(piece)) = (passed, socket.closed.get(), pieces()) {
            unseen.extend_from_slice(piece);
            loop {
                let before = socket.taken.get();
                let room = most - socket.peeked.borrow().len();
                socket.peeked.borrow_mut().extend(unseen.drain(..room.min(unseen.len())));
                let length = socket.peeked.borrow().len();
                passed = hooks::envoy_dynamic_module_on_listener_filter_on_data(envoy, filter, length) == 0;
                if passed || socket.closed.get() || socket.taken.get() == before || unseen.is_empty() {
                    break;
                }
            }
        }
        hooks::envoy_dynamic_module_on_listener_filter_destroy(filter);
        if !passed || socket.closed.get() {
            return (socket, Opened::Ended);
        }
        let left = [socket.peeked.take(), unseen].concat();
        let state = socket.state.take();
        (socket, Opened::Passed { left, state })
    }
}
