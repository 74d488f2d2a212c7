//! A connection under way, what each side has said of it, and what holds after every step.

use std::collections::BTreeMap;

use sluice_core::mysql::response::MAX_BYTES;

use super::beyond;
use crate::envoy::{Deed, Fact, Place, Way, World, configured};
use crate::pieces::{Actor, Step};

/// What the filters may keep of one direction, beyond what Envoy's own buffer has: an early startup message or response with
/// what came behind it, a packet of a login, an error with its header.
const MAX_KEPT_BYTES: usize = 65_536 + 8;

/// What begins as `step` says, more than may wait anywhere: its first byte says how much, the rest is repeated.
fn flood(step: &[u8]) -> Vec<u8> {
    let (size, bytes) = step.split_first().unwrap_or((&0, b""));
    let bytes = if bytes.is_empty() { b"\0" } else { bytes };
    let length = [17_000, 36_000, 70_000][usize::from(*size) % 3];
    bytes.iter().copied().cycle().take(length).collect()
}

/// A connection under way, and what each side has said of it.
pub struct Played {
    pub protocol: &'static str,
    pub world: Box<World>,
    pub client: Vec<u8>,
    pub server: Vec<u8>,
    pub granted: bool,
    pub asked_for_tls: bool,
    /// For KILL alone.
    pub kills: bool,
    /// Of (client, to_server, server, to_client): how long each was when the login was over.
    pub at_login: Option<[usize; 4]>,
    /// Of (to_server, to_client): how long each was when both were told that it is over.
    pub left_at: Option<[usize; 2]>,
    /// Something else than the two sides ended or may end it.
    pub disturbed: bool,
}

impl Played {
    pub fn new(protocol: &'static str, is_tls: bool, chunk: usize, state: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            protocol,
            world: World::new(configured(protocol), is_tls, chunk, state),
            client: Vec::new(),
            server: Vec::new(),
            granted: false,
            asked_for_tls: false,
            kills: false,
            at_login: None,
            left_at: None,
            disturbed: false,
        }
    }

    pub fn client_sends(&mut self, bytes: &[u8]) {
        if self.world.is_open() && !self.world.client_has_ended() {
            self.client.extend(bytes);
            self.world.client_sends(bytes, false);
        }
        self.settle();
    }

    pub fn server_sends(&mut self, bytes: &[u8]) {
        // No server speaks to a connection that was not made.
        if self.world.is_open() && !self.world.to_server.borrow().is_empty() {
            self.server.extend(bytes);
            self.world.server_sends(bytes, false);
        }
        self.settle();
    }

    pub fn grant(&mut self, verdict: &str, cluster: &str, expires_ms: f64, tls: bool) {
        if !self.world.is_checked() || self.granted {
            return;
        }
        let Some(own) = self.world.fact("connection") else { panic!("checked without an id") };
        let mut facts = vec![
            ("verdict", Fact::Text(verdict.to_owned())),
            ("connection", own),
            ("cluster", Fact::Text(cluster.to_owned())),
            ("expires_monotonic_ms", Fact::Number(sluice_abi::monotonic_ms() as f64 + expires_ms)),
        ];
        if tls {
            facts.push(("upstream_tls", Fact::Text("request".to_owned())));
        }
        if verdict == "kill" {
            facts.push(("errno", Fact::Number(1040.0)));
            facts.push(("message", Fact::Text("full".to_owned())));
            facts.push(("life_ms", Fact::Number(600_000.0)));
        }
        self.kills = verdict == "kill";
        self.granted = cluster == "service/known" && expires_ms > 0.0;
        self.asked_for_tls = tls;
        self.world.verdict_comes(&facts);
        self.settle();
    }

    fn other(&mut self, step: &[u8]) {
        let world = &self.world;
        match step.first().copied().unwrap_or_default() % 16 {
            2 => return self.grant("kill", "service/known", 600_000.0, step.get(1) == Some(&1)),
            0 | 1 => return self.grant("grant", "service/known", 600_000.0, false),
            3 | 4 => return self.grant("grant", "service/known", 600_000.0, true),
            5 if !self.granted => world.verdict_comes(&[
                ("verdict", Fact::Text("refuse".to_owned())),
                ("sqlstate", Fact::Text("53300".to_owned())),
                ("errno", Fact::Number(1040.0)),
                ("message", Fact::Text("full".to_owned())),
            ]),
            6 => return self.grant("grant", "service/known", -1.0, false),
            7 if step.get(1) == Some(&1) => return self.grant("grant", "service/empty", 600_000.0, false),
            7 => return self.grant("grant", "service/unknown", 600_000.0, false),
            8 if !self.granted => {
                let cancel = ("verdict", Fact::Text("cancel".to_owned()));
                world.verdict_comes(if step.get(1) == Some(&0) { &[] } else { std::slice::from_ref(&cancel) });
            }
            9 => world.way.set(Way::Connected),
            10 if step.get(1) == Some(&0) => world.answers(None),
            10 if step.len() > 1 => world.answers(step.get(2..)),
            10 => {
                // It may come to stand behind that, as another try would; the client has read that it failed.
                world.way.set(Way::Failed);
                self.disturbed = true;
            }
            11 => world.rings(Place::Startup, 1),
            12 => {
                world.rings(Place::Session, 2);
                world.rings(Place::Session, 5);
            }
            13 => {
                world.rings(Place::Session, 3);
                world.rings(Place::Session, 4);
                if step.get(1) == Some(&6) {
                    world.rings(Place::Session, 7);
                    self.disturbed |= self.at_login.is_none();
                }
                if step.get(1) == Some(&5) {
                    world.rings(Place::Session, 6);
                    self.disturbed |= self.kills;
                }
                world.rings(Place::Startup, u64::MAX);
                world.rings(Place::Session, u64::MAX);
                world.rings(Place::Session, 8);
                world.rings(Place::Session, 9);
            }
            // An input is short: what is kept would never come near its bounds.
            14 if step.get(1) == Some(&1) => return self.client_sends(&flood(step.get(2..).unwrap_or_default())),
            14 => {
                world.client_sends(b"", true);
                self.disturbed = true;
            }
            _ => {
                match step.get(1) {
                    Some(0) => world.envoy_closes(),
                    Some(2) => world.dies_in.set(Some(Deed::Speak)),
                    Some(3) => world.dies_in.set(Some(Deed::SendUpstream)),
                    _ => world.server_sends(b"", true),
                }
                self.disturbed = true;
            }
        }
        self.settle();
    }

    /// What holds after every step.
    fn settle(&mut self) {
        let (to_server, to_client) = (self.world.to_server.borrow(), self.world.to_client.borrow());
        assert!(self.granted || to_server.is_empty(), "bytes reach a server without a grant");
        assert!(self.granted || self.server.is_empty());
        if self.world.is_open() && !self.world.is_closing() && self.granted {
            let kept = (self.client.len() - self.world.waiting_to_be_read()).saturating_sub(to_server.len());
            // A session for KILL alone drops what it has refused.
            assert!(self.kills || kept <= MAX_KEPT_BYTES, "{kept} bytes of the client are kept");
            let kept = self.server.len().saturating_sub(to_client.len());
            assert!(kept <= MAX_KEPT_BYTES, "{kept} bytes of the server are kept");
        }
        if !self.granted {
            let waiting = self.world.waiting_to_be_read();
            assert!(
                !self.world.is_open() || self.world.is_closing() || waiting <= MAX_BYTES + 4 + 16_384 + 512,
                "{waiting} bytes wait for a check"
            );
        }
        let lengths = [to_server.len(), to_client.len()];
        let is_left = self.world.fact("ended_by").is_some() || self.has_ended_kills(&to_client);
        if let Some(at) = self.left_at.or(is_left.then_some(lengths)) {
            assert_eq!(at, lengths, "behind the last words there is more");
            self.left_at = Some(at);
        }
        if self.at_login.is_none() && self.world.fact("login") == Some(Fact::Text("ok".to_owned())) {
            self.at_login = Some([self.client.len(), to_server.len(), self.server.len(), to_client.len()]);
        }
    }

    /// A session for KILL alone was ended, in its own words.
    fn has_ended_kills(&self, to_client: &[u8]) -> bool {
        let Some([.., server_at, to_client_at]) = self.at_login else { return false };
        self.kills && !beyond(&to_client[to_client_at..], &self.server[server_at..]).is_empty()
    }

    pub fn play(&mut self, steps: &[Step<'_>]) {
        for step in steps {
            // What filters have committed comes with the worker's next turn: before the next bytes, or behind some more.
            if step.bytes.len() % 4 != 3 {
                self.world.turn();
                self.settle();
            }
            match step.actor {
                Actor::Client => self.client_sends(step.bytes),
                Actor::Server => self.server_sends(step.bytes),
                Actor::Other => self.other(step.bytes),
            }
        }
        self.world.turn();
        self.settle();
        self.ends();
        self.is_told_why();
        self.reported();
    }
}
