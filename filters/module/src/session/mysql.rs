//! A MySQL session: the relay of a login, the first or one behind COM_CHANGE_USER, and its place between the commands.

mod commands;

use sluice_abi::{Buffer, Connection, Status};
use sluice_core::birth::{self, Birth};
use sluice_core::mysql::change_user;
use sluice_core::mysql::commands::Commands;
use sluice_core::mysql::login::{Event, Login};
use sluice_core::mysql::only_kill::OnlyKill;
use sluice_core::mysql::plugin::Secrecy;
use sluice_core::mysql::response::{self, Reading, Response};
use sluice_core::mysql::wire::Wire;
use sluice_core::mysql::{capability, packet};
use sluice_core::refusal::Refusal;

use super::asking::Asking;
use super::following::Following;
use super::logins::Entered;
use super::{Refused, report_server};

pub struct Mysql {
    user: String,
    capabilities: u32,
    secrecy: Secrecy,
    /// A login that is under way: the first, or one behind COM_CHANGE_USER.
    login: Option<Login>,
    first_login: bool,
    server_id: Option<u32>,
    commands: Commands,
    /// The beginning of a packet whose kind is not known yet, taken from behind packets that could pass.
    held: Vec<u8>,
    /// A KILL that is held, and what is behind it.
    asking: Option<Asking>,
    /// The session may do nothing else.
    only_kill: Option<OnlyKill>,
    /// It has logged in, for more than KILL.
    pub(super) entered: Option<Entered>,
}

impl Mysql {
    /// Rewrites the response in `buffer` for the server, or puts a request for TLS in its place. Says, too, how the two sides
    /// will write results, where that is known.
    pub fn admitted(
        connection: &Connection<'_>,
        buffer: &mut Buffer<'_>,
        asks_for_tls: bool,
        only_kill: bool,
    ) -> Result<(Self, Option<Wire>), Refused> {
        let bytes = buffer.copy(usize::MAX);
        let response = match response::read(&bytes) {
            Reading::Whole(response) => *response,
            Reading::Refused(refusal, sequence) => return Err((refusal, sequence)),
            Reading::NeedMore => return Err((Refusal::protocol("expected a whole handshake response"), 3)),
        };
        let birth = connection
            .filter_state(birth::KEY)
            .and_then(|bytes| Birth::from_text(std::str::from_utf8(&bytes).ok()?))
            .unwrap_or_default();
        let response = response.within(&birth);
        let wire = Wire::agreed(&response, &birth);
        let secrecy = match (connection.is_tls(), asks_for_tls) {
            (_, false) => Secrecy::NoTlsToServer,
            (false, true) => Secrecy::NoTlsFromClient,
            (true, true) => Secrecy::Tls,
        };
        let (mut login, first) = if asks_for_tls {
            (Login::over_tls(&response, &birth, secrecy), response.ssl_request())
        } else {
            (Login::new(&response, &birth), response.for_server.clone())
        };
        let mut upstream = packet::framed(1, &first);
        login
            .client_sent(bytes.get(response.bytes..).unwrap_or_default(), &mut upstream)
            .map_err(|refusal| (refusal, login.answer_sequence()))?;
        buffer.replace(&upstream);
        let Response { identity, capabilities, .. } = response;
        let admitted = Self {
            user: identity.user,
            capabilities,
            secrecy,
            login: Some(login),
            first_login: true,
            server_id: None,
            commands: Commands::of(capabilities),
            held: Vec::new(),
            asking: None,
            only_kill: only_kill.then(|| OnlyKill::new(capabilities & capability::QUERY_ATTRIBUTES != 0)),
            entered: None,
        };
        Ok((admitted, wire))
    }

    /// True where no packet of the client has passed in part, and none waits.
    pub fn is_between_packets(&self) -> bool {
        self.login.is_none() && self.asking.is_none() && self.commands.is_between_packets()
    }

    /// True where the server has let the client in.
    pub fn is_logged_in(&self) -> bool {
        self.login.is_none()
    }

    /// The client has asked for what is not its to ask, and all that it asked for before has gone on.
    pub fn is_refused(&self) -> bool {
        self.asking.is_none() && self.only_kill.as_ref().is_some_and(OnlyKill::is_refused)
    }

    /// The number that an answer of ours must bear while the server is not there.
    pub fn answer_sequence(&self) -> u8 {
        self.login.as_ref().map_or(change_user::ANSWER_SEQUENCE, Login::answer_sequence)
    }

    /// The number of words of ours that nothing of the client's has led to, in its login.
    pub fn unasked_sequence(&self) -> Option<u8> {
        self.login.as_ref().map(Login::unasked_sequence)
    }

    /// Lets the client's bytes pass, as far as they may.
    pub fn client_sent(
        &mut self,
        connection: &Connection<'_>,
        buffer: &mut Buffer<'_>,
        end_stream: bool,
        following: &mut Following,
    ) -> Result<Status, Refused> {
        if let Some(login) = &mut self.login {
            let mut upstream = Vec::new();
            let passed = login.client_sent(&buffer.copy(usize::MAX), &mut upstream);
            passed.map_err(|refusal| (refusal, login.answer_sequence()))?;
            buffer.replace(&upstream);
            return Ok(Status::Continue);
        }
        self.commands_sent(connection, buffer, end_stream, following)
    }

    /// Lets the server's bytes pass; during a login, renumbered. Returns what goes to the server as soon as TLS to it has
    /// been started, which is now.
    pub fn server_sent(
        &mut self,
        connection: &Connection<'_>,
        buffer: &mut Buffer<'_>,
        following: &mut Following,
    ) -> Result<Option<Vec<u8>>, Refused> {
        let Some(login) = &mut self.login else {
            buffer.chunks(|chunk| {
                following.server_sent(connection, chunk);
                true
            });
            following.note_change(connection);
            return Ok(None);
        };
        let (mut downstream, mut tls_offered) = (Vec::new(), false);
        let (first_login, only_kill) = (self.first_login, self.only_kill.is_some());
        let (server_id, entered) = (&mut self.server_id, &mut self.entered);
        let relayed = login.server_sent(&buffer.copy(usize::MAX), &mut downstream, |event| match event {
            Event::TlsOffered => tls_offered = true,
            Event::Ready => {
                following.logged_in(connection, None);
                if first_login && !only_kill {
                    *entered = Entered::begin(connection, *server_id, None);
                }
            }
            Event::Failed(_) if !first_login => following.change_failed(connection),
            // What was reported of the connection stays true when its user logs in again.
            _ if !first_login => {}
            Event::ServerId(id) => {
                *server_id = Some(id);
                report_server(connection, id);
            }
            Event::Failed(errno) => following.login_failed(connection, Some(errno)),
        });
        buffer.replace(&downstream);
        relayed.map_err(|refusal| (refusal, login.answer_sequence()))?;
        if login.is_over() {
            self.login = None;
            self.first_login = false;
            self.commands = Commands::of(self.capabilities);
            return Ok(None);
        }
        Ok(if tls_offered { login.response() } else { None })
    }
}
