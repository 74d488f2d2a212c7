//! What must hold of a connection when all that happens to it has happened.

use super::played::Played;
use crate::envoy::{Fact, Place};
use crate::judge::{is_err_packet, is_error_response};

/// Of `startup`.
const CANCEL_OVER: u64 = 2;
const LOOK_UPSTREAM: u64 = 2;
const LEAVE_OVER: u64 = 8;
const LINGER_OVER: u64 = u64::MAX;

impl Played {
    /// What is about to end has ended when the last alarm has rung, whether anybody reads, answers or closes. A client that left
    /// before it had a server is, and so is a request to cancel.
    pub fn ends(&mut self) {
        let world = &self.world;
        let has_left = world.client_has_ended() && !self.granted;
        if !world.server_ended.get() && !world.is_closing() && self.left_at.is_none() && !has_left && !self.cancels() {
            return;
        }
        world.rings(Place::Startup, CANCEL_OVER);
        world.rings(Place::Session, LOOK_UPSTREAM);
        world.rings(Place::Session, LEAVE_OVER);
        world.turn();
        world.rings(Place::Startup, LINGER_OVER);
        world.rings(Place::Session, LINGER_OVER);
        assert!(!world.is_open(), "what is about to end never does");
    }

    fn cancels(&self) -> bool {
        self.world.fact("cancel_pid").is_some()
    }

    /// Who is turned away has read why, as the last of all; and nothing closes for a reason that it does not have.
    pub fn is_told_why(&self) {
        let world = &self.world;
        let to_client = world.to_client.borrow();
        let Some(why) = world.why() else { return };
        let has_read_why = (0..to_client.len()).any(|at| match self.protocol {
            "postgres" => is_error_response(&to_client[at..]),
            _ => is_err_packet(&to_client[at..]),
        });
        let by_brain = self.world.verdict("verdict") == Some(Fact::Text("refuse".to_owned())) && !self.cancels();
        let has_read_brain = to_client.windows(4).any(|text| text == b"full");
        assert!(!by_brain || has_read_brain, "the client has not read what the brain says: {to_client:?}");
        let is_cancel = self.cancels() || world.fact("connection").is_none();
        let is_sound = match why.as_str() {
            "envoy" | "died" => true,
            "sluice_session_refused"
            | "sluice_startup_refused"
            | "sluice_startup_deadline"
            | "sluice_stood_still"
            | "sluice_upstream_failed" => has_read_why,
            "sluice_early_bytes" => has_read_why || (is_cancel && self.protocol == "postgres"),
            "sluice_client_left" | "sluice_client_left_before_check" => world.client_has_ended(),
            "sluice_server_closed" => world.server_ended.get(),
            "sluice_login_deadline" => world.fact("ended_by").is_some(),
            "sluice_kill_session_over" => self.kills,
            "sluice_cancel_request" | "sluice_cancel_unanswered" | "sluice_cancel_malformed" => {
                self.protocol == "postgres" && to_client.is_empty()
            }
            "sluice_tls_deadline" => world.is_tls && to_client.is_empty(),
            _ => false,
        };
        assert!(is_sound, "closed by {why}, and the client has read {to_client:?}");
    }

    /// What the check and the access log are told has its bounds.
    pub fn reported(&self) {
        for (name, most) in [("user", 512), ("database", 256), ("application_name", 64), ("options", 1024)] {
            match self.world.fact(name) {
                Some(Fact::Text(text)) => assert!(text.len() <= most, "{name} of {} bytes", text.len()),
                None => {}
                other => panic!("{name}: {other:?}"),
            }
        }
        // A cancel key is for the brain alone; what is told at the end is told to whoever reads access logs.
        if !self.world.is_open() {
            let key = self.world.fact("cancel_key");
            assert!(key.is_none_or(|key| key == Fact::Text(String::new())), "a cancel key is left");
        }
        // By it a slot is given back.
        let ended = self.world.server_ended.get();
        assert_eq!(self.world.fact("server_closed"), ended.then_some(Fact::Flag(true)));
        let is_told = !self.world.to_client.borrow().is_empty();
        assert!(is_told || !ended || !self.server.is_empty(), "a server closes without a word, and nobody says so");
        assert_eq!(self.world.is_checked(), self.world.fact("connection").is_some());
    }
}
