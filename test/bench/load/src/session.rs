//! One Postgres session over TLS: <https://www.postgresql.org/docs/current/protocol-flow.html>
//!
//! Full handshakes only, as drivers make them; the server's certificate is not verified, so that the client stays cheap.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use ring::rand::SystemRandom;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::scram::{Account, Exchange};

/// Whom to connect to, and how.
pub struct Target {
    pub address: SocketAddr,
    pub name: ServerName<'static>,
    /// TLS at once, without asking in the protocol first.
    pub direct: bool,
    pub account: Account,
    pub database: String,
    pub tls: Arc<ClientConfig>,
    pub random: SystemRandom,
}

pub struct Session {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

/// A server that says nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(20);
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Longer than any message that is read whole.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

type Result<T> = std::result::Result<T, String>;

impl Session {
    /// Resolves at the first ReadyForQuery.
    pub fn open(target: &Target) -> Result<Self> {
        let mut socket = TcpStream::connect(target.address).map_err(|error| format!("connect: {error}"))?;
        socket.set_nodelay(true).and_then(|()| socket.set_read_timeout(Some(PATIENCE))).map_err(text)?;
        if !target.direct {
            let mut answer = [0];
            socket.write_all(&SSL_REQUEST).and_then(|()| socket.read_exact(&mut answer)).map_err(text)?;
            if answer != *b"S" {
                return Err(format!("{:?} instead of S", answer[0] as char));
            }
        }
        let tls = ClientConnection::new(Arc::clone(&target.tls), target.name.clone()).map_err(text)?;
        let mut session = Self { stream: BufReader::with_capacity(1 << 16, StreamOwned::new(tls, socket)) };
        session.log_in(target)?;
        Ok(session)
    }

    fn log_in(&mut self, target: &Target) -> Result<()> {
        let parameters = format!("user\0{}\0database\0{}\0\0", target.account.user, target.database);
        self.send(&[&(parameters.len() as u32 + 8).to_be_bytes(), &[0, 3, 0, 0], parameters.as_bytes()].concat())?;
        let exchange = Exchange::begin(&target.random)?;
        loop {
            let (kind, body) = self.message()?;
            match (kind, body.get(3)) {
                (b'Z', _) => return Ok(()),
                (b'R', Some(0 | 12)) => {}
                (b'R', Some(10)) => {
                    let first = exchange.first();
                    let length = (first.len() as u32).to_be_bytes();
                    self.send(&framed(b'p', &[b"SCRAM-SHA-256\0", &length[..], first.as_bytes()].concat()))?;
                }
                (b'R', Some(11)) => {
                    let server_first = std::str::from_utf8(&body[4..]).map_err(text)?;
                    let last = exchange.last(&target.account, server_first)?;
                    self.send(&framed(b'p', last.as_bytes()))?;
                }
                (b'E', _) => return Err(said(&body)),
                (b'S' | b'K' | b'N', _) => {}
                (other, _) => return Err(format!("message {:?} during login", other as char)),
            }
        }
    }

    /// Runs `sql` and drops what comes back. @returns the bytes of it.
    pub fn run(&mut self, sql: &str) -> Result<usize> {
        self.send(&framed(b'Q', &[sql.as_bytes(), b"\0"].concat()))?;
        self.until_ready()
    }

    /// Runs a COPY FROM STDIN and feeds it `chunk` so many times.
    pub fn feed(&mut self, sql: &str, chunk: &[u8], times: usize) -> Result<()> {
        self.send(&framed(b'Q', &[sql.as_bytes(), b"\0"].concat()))?;
        loop {
            match self.message()? {
                (b'G', _) => break,
                (b'E', body) => return Err(said(&body)),
                _ => {}
            }
        }
        let data = framed(b'd', chunk);
        for _ in 0..times {
            self.stream.get_mut().write_all(&data).map_err(text)?;
        }
        self.send(&framed(b'c', b""))?;
        self.until_ready().map(drop)
    }

    fn until_ready(&mut self) -> Result<usize> {
        let mut bytes = 0;
        loop {
            let (kind, length) = self.header()?;
            bytes += 5 + length;
            match kind {
                b'E' => return Err(said(&self.body(length)?)),
                _ => self.skip(length)?,
            }
            if kind == b'Z' {
                return Ok(bytes);
            }
        }
    }

    /// Says goodbye, as drivers do.
    pub fn close(mut self) -> Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(&framed(b'X', b"")).map_err(text)?;
        stream.conn.send_close_notify();
        stream.flush().map_err(text)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).and_then(|()| stream.flush()).map_err(text)
    }

    fn message(&mut self) -> Result<(u8, Vec<u8>)> {
        let (kind, length) = self.header()?;
        Ok((kind, self.body(length)?))
    }

    fn header(&mut self) -> Result<(u8, usize)> {
        let mut header = [0; 5];
        self.stream.read_exact(&mut header).map_err(text)?;
        let [kind, length @ ..] = header;
        let length = u32::from_be_bytes(length) as usize;
        length.checked_sub(4).map(|length| (kind, length)).ok_or_else(|| "a length below 4".into())
    }

    fn body(&mut self, length: usize) -> Result<Vec<u8>> {
        if length > MAX_MESSAGE_BYTES {
            return Err(format!("a message of {length} bytes"));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).map_err(text)?;
        Ok(body)
    }

    fn skip(&mut self, mut length: usize) -> Result<()> {
        while length > 0 {
            let have = self.stream.fill_buf().map_err(text)?.len().min(length);
            if have == 0 {
                return Err("the server closed".into());
            }
            self.stream.consume(have);
            length -= have;
        }
        Ok(())
    }
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

/// The text of an ErrorResponse.
fn said(body: &[u8]) -> String {
    let fields = body.split(|&byte| byte == 0);
    let text = fields.filter_map(|field| field.strip_prefix(b"C").or_else(|| field.strip_prefix(b"M")));
    text.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
