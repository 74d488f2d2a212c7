//! The login of MySQL, relayed.

use sluice_core::birth::Birth;
use sluice_core::mysql::capability;
use sluice_core::mysql::login::{Event, Login, MAX_PACKET_BYTES};
use sluice_core::mysql::packet::{HEADER_BYTES, framed};
use sluice_core::mysql::plugin::Secrecy;
use sluice_core::mysql::response::{self, Reading, Response};
use sluice_core::refusal::Refusal;

use super::{packets, server_reads};
use crate::pieces::{Actor, Choices, conversation, in_bytes, joined};

/// The response of every login here; its client has taken what `capabilities` say.
fn responded(capabilities: u32) -> Response {
    let mut payload = (capabilities | capability::REQUIRED).to_le_bytes().to_vec();
    payload.extend_from_slice(&[0, 0, 0, 1, 45]);
    payload.extend_from_slice(&[0; 19]);
    payload.extend_from_slice(&29_u32.to_le_bytes());
    payload.extend_from_slice(b"m\0\0");
    match response::read(&framed(2, &payload)) {
        Reading::Whole(response) => *response,
        other => panic!("{other:?}"),
    }
}

/// What came of a relayed login.
#[derive(Debug, Default, PartialEq, Eq)]
struct Relayed {
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    /// What each side was read of before the end.
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    events: Vec<Event>,
    refused: Option<(Refusal, u8)>,
    over: bool,
    /// The response that went behind TLS.
    released: Option<Vec<u8>>,
}

fn relay<B: AsRef<[u8]>>(mut login: Login, steps: impl IntoIterator<Item = (Actor, B)>) -> Relayed {
    let mut relayed = Relayed::default();
    for (actor, bytes) in steps {
        let bytes = bytes.as_ref();
        let outcome = match actor {
            Actor::Client => {
                relayed.from_client.extend(bytes);
                login.client_sent(bytes, &mut relayed.to_server)
            }
            Actor::Server => {
                relayed.from_server.extend(bytes);
                login.server_sent(bytes, &mut relayed.to_client, |event| relayed.events.push(event))
            }
            Actor::Other => Ok(()),
        };
        relayed.over = login.is_over();
        if outcome.is_ok() && relayed.released.is_none() && relayed.events.contains(&Event::TlsOffered) {
            relayed.released = login.response();
        }
        if let Err(refusal) = outcome {
            relayed.refused = Some((refusal, login.answer_sequence()));
            break;
        }
        if relayed.over {
            break;
        }
    }
    relayed
}

/// However a conversation is cut, the same is relayed; only numbers change; nothing is invented; what is kept is bounded;
/// the client sends at most one packet for each that asks for one.
pub fn login(input: &[u8]) {
    let mut choices = Choices(input);
    let flags = choices.byte();
    let (again, over_tls) = (flags & 1 == 1, flags & 2 == 2);
    let secrecy = [Secrecy::NoTlsToServer, Secrecy::NoTlsFromClient, Secrecy::Tls][usize::from(flags >> 2) % 3];
    let birth = Birth { offered: choices.u32(), offered_mariadb: choices.byte().into(), ..Birth::default() };
    let optional = capability::CONNECT_WITH_DB | capability::CONNECT_ATTRS | capability::PLUGIN_AUTH_LENENC;
    let response = responded(choices.u32() & !(capability::NEVER | capability::SSL | optional));
    let begin = || match (again, over_tls) {
        (true, _) => Login::again(secrecy),
        (false, true) => Login::over_tls(&response, &birth, secrecy),
        (false, false) => Login::new(&response, &birth),
    };
    // The server counts SSLRequest where it was sent one.
    let ahead = u8::from(!again && !over_tls);
    let steps = conversation(choices);
    let whole = relay(begin(), joined(&steps));
    let single = relay(begin(), in_bytes(&steps).iter().map(|step| (step.actor, step.bytes)));
    let cut = relay(begin(), steps.iter().map(|step| (step.actor, step.bytes)));
    for other in [&single, &cut] {
        conserved(other, again, ahead);
        if !again && over_tls {
            // What comes together with the greeting came before TLS, and that depends on how it is cut.
            continue;
        }
        assert_eq!(
            (&other.to_server, &other.events, &other.refused),
            (&whole.to_server, &whole.events, &whole.refused)
        );
        // Behind the end all passes; how much of it has arrived is the cut's affair.
        assert!(whole.to_client.starts_with(&other.to_client), "{other:?} {whole:?}");
        assert_eq!(other.over, whole.over);
    }
    conserved(&whole, again, ahead);
    let offered = whole.events.contains(&Event::TlsOffered) && whole.refused.is_none();
    assert!(!offered || whole.released.is_some());
    if let Some(released) = &whole.released {
        assert_eq!((packets(released).len(), released[3]), (1, 2));
        assert_eq!(server_reads(&released[4..], true), Some(("m", "")));
    }
}

fn conserved(relayed: &Relayed, again: bool, ahead: u8) {
    let (client, server) = (packets(&relayed.from_client), packets(&relayed.from_server));
    // Towards the server: the client's own packets, renumbered; a header passes when it is whole.
    let mut expected = Vec::new();
    for (number, payload) in &client {
        expected.extend(framed(number.wrapping_sub(ahead), payload));
    }
    let behind = &relayed.from_client[expected.len()..];
    if let Some((header, payload)) = behind.split_first_chunk::<4>() {
        let [a, b, c, number] = *header;
        expected.extend([a, b, c, number.wrapping_sub(ahead)]);
        expected.extend(payload);
    }
    assert!(expected.starts_with(&relayed.to_server), "the client said {expected:?}");
    if relayed.refused.is_none() {
        assert!(expected.len() - relayed.to_server.len() == 0 || behind.len() < HEADER_BYTES);
    }
    // Towards the client: the server's packets but the greeting, renumbered.
    let mut expected = Vec::new();
    let mut decided = false;
    for (at, (number, payload)) in server.iter().enumerate() {
        if at == 0 && !again {
            if payload.first() == Some(&0xff) {
                return assert!(relayed.over);
            }
            continue;
        }
        expected.extend(framed(if decided { *number } else { number.wrapping_add(ahead) }, payload));
        decided |= matches!(payload.first(), Some(0 | 0xff) | None);
    }
    let waiting =
        relayed.from_server.len() - server.iter().map(|(_, payload)| HEADER_BYTES + payload.len()).sum::<usize>();
    if decided {
        expected.extend(&relayed.from_server[relayed.from_server.len() - waiting..]);
    }
    assert!(expected.starts_with(&relayed.to_client), "the server said {expected:?}");
    assert!(relayed.refused.is_some() || relayed.over || waiting < HEADER_BYTES + MAX_PACKET_BYTES);
    // The relay hands out leave to send one packet at a time.
    let asks = |payload: &[u8]| payload.first() == Some(&0xfe) || payload.starts_with(&[1, 4]);
    let asked = server.iter().filter(|(_, payload)| asks(payload)).count();
    assert!(packets(&relayed.to_server).len() <= asked);
}
