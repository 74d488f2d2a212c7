//! The login relay: the client proves itself to the server, the front only renumbers.
//!
//! ```text
//!  Greeted? ── server's greeting, wide enough ──▶ Proving ── OK ──▶ Over
//!     │                                             │ └── ERR ──▶ Over (the server's own error reaches the client)
//!     ├─ ERR (too many connections) ──▶ Over        ├─ AuthSwitch, AuthMoreData: one packet of the client may follow
//!     └─ narrower than promised ──▶ refuse          └─ password wanted in clear, and no TLS all the way ──▶ refuse
//! ```
//! Where the way to the server shall have TLS, it is asked for before the greeting is there, and the response waits for
//! the greeting and for TLS.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>
//!
//! Each side has seen an SSLRequest or has not: the client's numbers run ahead of the server's by one where only the client
//! has sent one, and behind where only the server was sent one.

use super::packet::{self, HEADER_BYTES};
use super::plugin::{Plugin, Secrecy};
use super::promise::Promise;
use super::response::Response;
use super::{capability, greeting};
use crate::birth::Birth;
use crate::cursor::Cursor;
use crate::refusal::Refusal;
use crate::tls_request::{Refused, insecure};

/// The longest packet of a login that is relayed.
pub const MAX_PACKET_BYTES: usize = 65_536;

const OK: u8 = 0x00;
const MORE_DATA: u8 = 0x01;
const SWITCH: u8 = 0xfe;
const ERR: u8 = 0xff;

/// What the server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The connection id of its greeting.
    ServerId(u32),
    /// It offers TLS, which is to be started now; then [`Login::response`] goes to it.
    TlsOffered,
    /// OK.
    Ready,
    /// ERR, of this number.
    Failed(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeted,
    Proving,
    Over,
}

/// One login.
#[derive(Debug)]
pub struct Login {
    phase: Phase,
    promise: Promise,
    secrecy: Secrecy,
    /// The packet that goes to the server behind TLS.
    response: Option<Vec<u8>>,
    /// How far the client's numbers run ahead, modulo 256.
    ahead: u8,
    /// The number of our own answer, should one be needed.
    answer: u8,
    /// The client was sent the packet of that number.
    answered: bool,
    unfinished: Vec<u8>,
    plugin: Option<Plugin>,
    client_may_send: bool,
    client_header: Vec<u8>,
    client_payload_left: usize,
}

impl Login {
    /// A login whose `response` was just sent on, of a client that was offered what `birth` says.
    pub fn new(response: &Response, birth: &Birth) -> Self {
        Self {
            promise: Promise::taken(response, birth),
            answer: response.sequence.wrapping_add(1),
            ..Self::in_phase(Phase::Greeted, response.sequence.wrapping_sub(1), Secrecy::NoTlsToServer)
        }
    }

    /// The same at a server that was just sent [`Response::ssl_request`], as packet 1.
    pub fn over_tls(response: &Response, birth: &Birth, secrecy: Secrecy) -> Self {
        Self {
            response: Some(packet::framed(2, &response.over_tls())),
            ahead: response.sequence.wrapping_sub(2),
            secrecy,
            ..Self::new(response, birth)
        }
    }

    /// The exchange behind a COM_CHANGE_USER: no greeting, and the numbers agree.
    pub fn again(secrecy: Secrecy) -> Self {
        Self { answer: 1, ..Self::in_phase(Phase::Proving, 0, secrecy) }
    }

    fn in_phase(phase: Phase, ahead: u8, secrecy: Secrecy) -> Self {
        Self {
            phase,
            promise: Promise::default(),
            secrecy,
            response: None,
            ahead,
            answer: 0,
            answered: false,
            unfinished: Vec::new(),
            plugin: None,
            client_may_send: false,
            client_header: Vec::new(),
            client_payload_left: 0,
        }
    }

    /// True once the server has said OK or ERR.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The response that waits for TLS, once.
    pub fn response(&mut self) -> Option<Vec<u8>> {
        self.response.take()
    }

    /// The number that an answer of ours to the client must bear now.
    pub fn answer_sequence(&self) -> u8 {
        self.answer
    }

    /// The number of words that nothing of the client's has led to. Where a packet of its own is due it reads them as the
    /// answer to that.
    pub fn unasked_sequence(&self) -> u8 {
        self.answer.wrapping_add(u8::from(self.answered)).wrapping_add(u8::from(self.client_may_send))
    }

    /// Takes `bytes` from the server; what the client shall read of them goes to `out`. After an `Err` the caller says so to
    /// the client, numbered [`Login::answer_sequence`], and closes.
    pub fn server_sent(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        mut report: impl FnMut(Event),
    ) -> Result<(), Refusal> {
        let mut all = std::mem::take(&mut self.unfinished);
        all.extend_from_slice(bytes);
        let mut rest = &all[..];
        while let Some((length, sequence)) = packet::header(rest).filter(|_| !self.is_over()) {
            if length > MAX_PACKET_BYTES {
                return Err(unexpected(format!("a packet of {length} bytes from the server during login")));
            }
            let Some((packet, behind)) = rest.split_at_checked(HEADER_BYTES + length) else { break };
            rest = behind;
            let payload = packet.get(HEADER_BYTES..).unwrap_or_default();
            match self.phase {
                Phase::Greeted => self.greeted(payload, behind.is_empty(), out, &mut report)?,
                Phase::Proving => self.proving(payload, sequence, out, &mut report)?,
                Phase::Over => {}
            }
        }
        if self.is_over() {
            // Whoever reads the rest of the client's packet as the next one loses track of where commands begin.
            if self.client_payload_left > 0 || !self.client_header.is_empty() {
                return Err(unexpected("the server has decided within a packet of the client"));
            }
            out.extend_from_slice(rest);
            return Ok(());
        }
        // Once for all packets: a buffer full of small ones would be moved as often as there are packets in it.
        let read = all.len() - rest.len();
        all.drain(..read);
        self.unfinished = all;
        Ok(())
    }

    fn greeted(
        &mut self,
        payload: &[u8],
        is_last: bool,
        out: &mut Vec<u8>,
        report: &mut impl FnMut(Event),
    ) -> Result<(), Refusal> {
        if payload.first() == Some(&ERR) {
            self.phase = Phase::Over;
            report(Event::Failed(errno(payload)));
            // Without TLS they may be anybody's words; and what a client says to them must not go in clear.
            if self.response.is_some() {
                return Err(insecure(Refused::Failed));
            }
            let refusal =
                greeting::early_error(payload).ok_or_else(|| unexpected("a malformed error from the server"))?;
            out.extend(refusal.as_mysql(self.answer));
            return Ok(());
        }
        let greeting = greeting::read(payload).ok_or_else(|| unexpected("no MySQL greeting from the server"))?;
        report(Event::ServerId(greeting.connection_id));
        self.phase = Phase::Proving;
        if self.response.is_some() {
            if greeting.capabilities & capability::SSL == 0 {
                return Err(insecure(Refused::NotOffered));
            }
            // What is read before TLS may be anybody's, and must not count as what TLS protects.
            if !is_last {
                return Err(insecure(Refused::Stuffed));
            }
            report(Event::TlsOffered);
        }
        self.promise.kept_by(greeting)
    }

    fn proving(
        &mut self,
        payload: &[u8],
        sequence: u8,
        out: &mut Vec<u8>,
        report: &mut impl FnMut(Event),
    ) -> Result<(), Refusal> {
        self.answer = sequence.wrapping_add(self.ahead);
        match *payload.first().unwrap_or(&ERR) {
            OK => {
                self.phase = Phase::Over;
                report(Event::Ready);
            }
            ERR => {
                self.phase = Phase::Over;
                report(Event::Failed(errno(payload)));
            }
            SWITCH => {
                self.plugin = Some(Plugin::switched_to(payload, self.secrecy)?);
                self.client_may_send = true;
            }
            MORE_DATA => {
                let plugin = self.plugin.ok_or_else(|| unexpected("data of no plugin"))?;
                self.client_may_send = plugin.continues(payload, self.secrecy)?;
            }
            other => return Err(unexpected(format!("packet {other:#04x} from the server during login"))),
        }
        out.extend(packet::framed(self.answer, payload));
        self.answered = true;
        Ok(())
    }

    /// Takes `bytes` from the client; what the server shall read of them goes to `out`. Errors as in
    /// [`Login::server_sent`].
    pub fn client_sent(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let (payload, rest) = bytes.split_at(self.client_payload_left.min(bytes.len()));
            self.client_payload_left -= payload.len();
            out.extend_from_slice(payload);
            let (header, rest) = rest.split_at((HEADER_BYTES - self.client_header.len()).min(rest.len()));
            self.client_header.extend_from_slice(header);
            bytes = rest;
            let Some((length, sequence)) = packet::header(&self.client_header) else { continue };
            // A command behind the proof would be carried out by the server after its OK, unseen here. So would one in the
            // place of the proof, if what seemed to ask for it was the answer to an earlier command.
            if !std::mem::take(&mut self.client_may_send) || sequence != self.answer.wrapping_add(1) {
                return Err(Refusal::new(b"08S01", 1156, "Got packets out of order: sent before the server answered"));
            }
            self.answer = sequence.wrapping_add(1);
            self.answered = false;
            if length > MAX_PACKET_BYTES {
                return Err(Refusal::protocol(format!("a packet of {length} bytes during login")));
            }
            let [a, b, c, ..] = (length as u32).to_le_bytes();
            out.extend_from_slice(&[a, b, c, sequence.wrapping_sub(self.ahead)]);
            self.client_payload_left = length;
            self.client_header.clear();
        }
        Ok(())
    }
}

fn errno(payload: &[u8]) -> u16 {
    Cursor::new(payload.get(1..).unwrap_or_default()).u16_le().unwrap_or_default()
}

fn unexpected(what: impl std::fmt::Display) -> Refusal {
    Refusal::new(b"08S01", 1105, format!("unexpected: {what}"))
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
