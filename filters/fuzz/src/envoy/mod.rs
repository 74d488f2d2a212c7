//! As much of Envoy as the filters see of it: the module runs here exactly as it ships, and every byte is accounted for.
//!
//! ```text
//!  client ─▶ handshake ─▶ read buffer ─▶ startup ─▶ ext_authz ─▶ session ─▶ tcp_proxy ─▶ server
//!     ▲                                     │                       │                      │
//!     └─────────────────────────────────────┴──── write filters ────┴──────────────────────┘
//! ```
//! How filters are entered follows `FilterManagerImpl` and `ConnectionImpl` of Envoy 1.40.
//! <https://github.com/envoyproxy/envoy/blob/v1.40.0/source/common/network/filter_manager_impl.cc>

mod accepted;
mod callbacks;
mod hooks;
mod questions;
mod slot;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use hooks::Configured;
use questions::Question;
use slot::Slot;

/// The namespace of the verdict.
const CHECK: &str = "envoy.filters.network.ext_authz";

/// A value of dynamic metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// Which of the two filters of the module; ext_authz stands between them, tcp_proxy behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Startup = 0,
    Session = 1,
}

/// The way to the server, as Envoy's attributes show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Pending,
    Connected,
    Failed,
}

/// What the module does, and Envoy may find then that the connection is dead: its close comes within that very call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Speak,
    SendUpstream,
}

/// What a scheduler of the module was committed with: filter, event.
type Commits = Arc<Mutex<Vec<(usize, u64)>>>;

/// One connection.
pub struct World {
    pub is_tls: bool,
    slots: [Slot; 2],
    read: RefCell<Vec<u8>>,
    client_ended: Cell<bool>,
    /// How Envoy's chunks break.
    chunk: usize,
    pub facts: RefCell<BTreeMap<(String, String), Fact>>,
    state: RefCell<BTreeMap<String, Vec<u8>>>,
    pub way: Cell<Way>,
    commits: Commits,
    thread: ThreadId,

    checked: Cell<bool>,
    answered: Cell<bool>,
    pub to_client: RefCell<Vec<u8>>,
    pub to_server: RefCell<Vec<u8>>,
    /// The stream to the server is ended, by the client or by the module.
    pub server_left: Cell<bool>,
    /// The server's FIN came to the filters.
    pub server_ended: Cell<bool>,
    /// How much of `to_server` went before TLS was started there.
    pub in_clear: Cell<Option<usize>>,
    pub closed: RefCell<Option<String>>,
    /// A client that reads nothing keeps a close waiting that is to flush.
    pub client_reads: Cell<bool>,
    closing: RefCell<Option<String>>,
    close_held: Cell<bool>,
    /// In which the connection dies.
    pub dies_in: Cell<Option<Deed>>,
    died: Cell<bool>,
    /// Questions can be put to another server.
    pub brain_is_there: Cell<bool>,
    /// Questions that were put to another server, and how many of them are answered.
    questions: RefCell<Vec<Question>>,
    told: Cell<u64>,
    /// Why, and whether it is to flush.
    close_waits: RefCell<Option<(String, bool)>>,
}

impl World {
    /// A connection behind the handshake, with what `handshake` left for the network filters.
    pub fn new(configured: Configured, is_tls: bool, chunk: usize, state: BTreeMap<String, Vec<u8>>) -> Box<Self> {
        let mut world = Box::new(Self {
            is_tls,
            slots: [Slot::new(0), Slot::new(1)],
            read: RefCell::default(),
            client_ended: Cell::new(false),
            chunk: chunk.max(1),
            facts: RefCell::default(),
            state: RefCell::new(state),
            way: Cell::new(Way::Pending),
            commits: Arc::default(),
            thread: thread::current().id(),
            checked: Cell::new(false),
            answered: Cell::new(false),
            to_client: RefCell::default(),
            to_server: RefCell::default(),
            server_left: Cell::new(false),
            server_ended: Cell::new(false),
            in_clear: Cell::new(None),
            closed: RefCell::default(),
            client_reads: Cell::new(true),
            closing: RefCell::default(),
            close_held: Cell::new(false),
            dies_in: Cell::new(None),
            died: Cell::new(false),
            brain_is_there: Cell::new(true),
            questions: RefCell::default(),
            told: Cell::new(0),
            close_waits: RefCell::default(),
        });
        let here: *const World = &*world;
        world.slots.iter_mut().for_each(|slot| slot.world = here);
        for (slot, config) in world.slots.iter().zip([configured.startup, configured.session]) {
            // SAFETY: a configuration of `configured`; the slot lives in the box until the filter is destroyed.
            slot.filter.set(unsafe { hooks::envoy_dynamic_module_on_network_filter_new(config, slot.envoy()) });
        }
        world.proceed(0);
        for slot in &world.slots {
            slot.event(2);
        }
        world
    }

    pub fn is_open(&self) -> bool {
        self.closed.borrow().is_none()
    }

    /// Its close waits for the client to read, or until it is let.
    pub fn is_closing(&self) -> bool {
        self.is_open() && (self.closing.borrow().is_some() || self.close_waits.borrow().is_some())
    }

    /// Why it was closed first.
    pub fn why(&self) -> Option<String> {
        self.closing.borrow().clone().or_else(|| self.closed.borrow().clone())
    }

    pub fn waiting_to_be_read(&self) -> usize {
        self.read.borrow().len()
    }

    pub fn client_has_ended(&self) -> bool {
        self.client_ended.get()
    }

    /// A question waits for its answer.
    pub fn is_asking(&self) -> bool {
        self.told.get() < self.questions.borrow().len() as u64
    }

    pub fn is_checked(&self) -> bool {
        self.checked.get()
    }

    /// The client has sent `bytes`, or closed its side.
    pub fn client_sends(&self, bytes: &[u8], end: bool) {
        if !self.is_open() || self.closing.borrow().is_some() || self.client_ended.get() {
            return;
        }
        self.read.borrow_mut().extend_from_slice(bytes);
        self.client_ended.set(end);
        self.proceed(0);
    }

    /// ext_authz has its answer: the verdict is in the metadata, the check goes on.
    pub fn verdict_comes(&self, facts: &[(&str, Fact)]) {
        if !self.is_open() || self.closing.borrow().is_some() || !self.checked.get() || self.answered.replace(true) {
            return;
        }
        for (name, fact) in facts {
            self.says(name, fact.clone());
        }
        self.proceed(1);
    }

    /// The brain's verdict has this in it.
    pub fn says(&self, name: &str, fact: Fact) {
        self.facts.borrow_mut().insert((CHECK.to_owned(), name.to_owned()), fact);
    }

    /// The server has sent `bytes`, or closed its side.
    pub fn server_sends(&self, bytes: &[u8], end: bool) {
        if self.is_open() && self.cluster().is_some() {
            self.write(2, bytes.to_vec(), end);
        }
    }

    /// Envoy closes: the server is gone, a time-out, a TLS handshake that failed.
    pub fn envoy_closes(&self) {
        self.close("envoy", false);
    }

    /// What was committed by schedulers is carried out, as by the worker's event loop.
    pub fn turn(&self) {
        // An event may commit the next.
        for _ in 0..8 {
            let commits = std::mem::take(&mut *self.commits.lock().expect("no panic"));
            for (at, event) in commits {
                self.slots[at].scheduled(event);
            }
        }
    }

    /// The first question that waits is answered with `body`, or not at all.
    pub fn answers(&self, body: Option<&[u8]>) {
        if !self.is_asking() {
            return;
        }
        self.told.set(self.told.get() + 1);
        self.slots[Place::Session as usize].answered(self.told.get(), body);
    }

    /// An alarm of a filter rings.
    pub fn rings(&self, place: Place, event: u64) {
        self.slots[place as usize].scheduled(event);
    }

    pub fn fact(&self, name: &str) -> Option<Fact> {
        self.facts.borrow().get(&("sluice".to_owned(), name.to_owned())).cloned()
    }

    /// What the brain has said.
    pub fn verdict(&self, name: &str) -> Option<Fact> {
        self.facts.borrow().get(&(CHECK.to_owned(), name.to_owned())).cloned()
    }

    pub fn cluster(&self) -> Option<Vec<u8>> {
        self.state.borrow().get("envoy.tcp_proxy.cluster").cloned()
    }

    /// Read filters from `from` on: 0 startup, then ext_authz, 1 session, then tcp_proxy.
    fn proceed(&self, from: usize) {
        for slot in &self.slots[from..] {
            let has_bytes = !self.read.borrow().is_empty() || self.client_ended.get();
            if slot.at == Place::Session as usize && has_bytes && !self.answered.get() {
                self.checked.set(true);
                return;
            }
            if !slot.read(has_bytes) || !self.is_open() || self.closing.borrow().is_some() {
                return;
            }
        }
        let bytes = std::mem::take(&mut *self.read.borrow_mut());
        self.proxy(bytes, self.client_ended.get());
    }

    /// tcp_proxy: what reaches it goes to the server.
    fn proxy(&self, bytes: Vec<u8>, end: bool) {
        let left = self.server_left.replace(self.server_left.get() || end);
        if bytes.is_empty() {
            return;
        }
        assert!(!left, "bytes go to the server behind the end of the stream");
        assert!(self.is_open(), "bytes go to the server after the close");
        assert!(self.cluster().is_some(), "bytes go to a server that nobody chose");
        self.to_server.borrow_mut().extend(bytes);
    }

    /// Write filters, from the one nearest to the server on.
    fn write(&self, from: usize, bytes: Vec<u8>, end: bool) {
        if !self.is_open() || self.close_waits.borrow().is_some() {
            return;
        }
        self.server_ended.set(self.server_ended.get() || end);
        let mut bytes = bytes;
        for slot in self.slots[..from].iter().rev() {
            match slot.write(bytes, end) {
                Some(passed) => bytes = passed,
                None => return,
            }
        }
        self.reaches_client(&bytes);
    }

    fn reaches_client(&self, bytes: &[u8]) {
        if self.is_open() && self.closing.borrow().is_none() {
            self.to_client.borrow_mut().extend(bytes);
        }
    }

    fn close(&self, details: &str, flush: bool) {
        if flush && !self.client_reads.get() && !self.close_held.get() {
            self.closing.borrow_mut().get_or_insert(details.to_owned());
            return;
        }
        if self.close_held.get() {
            self.close_waits.borrow_mut().get_or_insert((details.to_owned(), flush));
            return;
        }
        self.end(details);
    }

    /// Dies where it shall, held back or not.
    fn deed(&self, deed: Deed) {
        if self.is_open() && self.dies_in.get() == Some(deed) {
            self.died.set(true);
            self.end("died");
        }
    }

    fn end(&self, details: &str) {
        let first = self.is_open();
        self.closed.borrow_mut().get_or_insert(details.to_owned());
        if first {
            for slot in &self.slots {
                slot.event(1);
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for slot in &self.slots {
            // SAFETY: made in `new`, destroyed once.
            unsafe { hooks::envoy_dynamic_module_on_network_filter_destroy(slot.filter.get()) };
        }
    }
}

pub use accepted::{Accepted, Opened, open};
pub use hooks::configured;
#[cfg(test)]
pub use questions::Login;
