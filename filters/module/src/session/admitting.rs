//! From the verdict to the first bytes for the server, or to the refusal.

use sluice_abi::{Buffer, Connection, Status, monotonic_ms};
use sluice_core::config::Protocol;
use sluice_core::mysql::packet;
use sluice_core::postgres::tls_request::{SSL_REQUEST, TlsRequest};
use sluice_core::refusal::Refusal;
use sluice_core::verdict::{KillSession, Verdict, judge};

use super::claims::claims;
use super::following::Following;
use super::mysql::Mysql;
use super::postgres::Postgres;
use super::reaching::Reaching;
use super::scheduled::KILL_OVER;
use super::upstream_tls::UpstreamTls;
use super::{OnlyKill, Refused, Session, Stage};
use crate::NAMESPACE;
use crate::deadline::Alarm;

/// tcp_proxy takes the cluster from here.
/// <https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/tcp_proxy_filter#routing-to-a-cluster-with-filter-state>
const CLUSTER_KEY: &str = "envoy.tcp_proxy.cluster";

impl Session {
    pub(super) fn decide(&mut self, connection: &Connection<'_>, buffer: &mut Buffer<'_>) -> Result<Status, Refused> {
        let own = connection.text(NAMESPACE, "connection").unwrap_or_default();
        let (cluster, expires_ms, asks_for_tls) = match judge(claims(connection), &own, monotonic_ms()) {
            // Postgres clients cancel without a session of their own.
            Verdict::Grant { only_kill: Some(KillSession { instead, .. }), .. }
                if self.protocol == Protocol::Postgres =>
            {
                return Err((instead, 0));
            }
            Verdict::Grant { cluster, expires_ms, asks_for_tls, only_kill } => {
                self.only_kill = only_kill.map(|KillSession { instead, life_ms }| OnlyKill {
                    instead,
                    life: Alarm::set(connection, life_ms, KILL_OVER),
                });
                (cluster, expires_ms, asks_for_tls)
            }
            Verdict::Refuse(refusal) => return Err((refusal, self.answer_sequence(buffer))),
        };
        // Both would be closed by tcp_proxy without a word.
        if connection.cluster_hosts(&cluster).is_none_or(|hosts| hosts == 0) {
            let why = format!("this node has no server for cluster {cluster:?} yet; try again");
            return Err((Refusal::new(b"57P03", 1053, why), self.answer_sequence(buffer)));
        }
        if !connection.set_typed_filter_state(CLUSTER_KEY, &cluster) {
            let why = "this node cannot choose a cluster; try again";
            return Err((Refusal::new(b"57P03", 1053, why), self.answer_sequence(buffer)));
        }
        self.reaching = Reaching::begin(connection, expires_ms.saturating_add(self.connect_grace_ms));
        let (counters, deadline_ms) = (self.counters, self.login_deadline_ms);
        match self.protocol {
            Protocol::Postgres => {
                self.following
                    .insert(Following::postgres(connection, counters, deadline_ms))
                    .client_sent(connection, buffer);
                self.stage = if asks_for_tls {
                    let startup = buffer.copy(usize::MAX);
                    buffer.replace(SSL_REQUEST);
                    Stage::Asking(TlsRequest::holding(startup))
                } else {
                    Stage::Postgres(Box::new(Postgres::admitted(own)))
                };
            }
            Protocol::Mysql => {
                let (mysql, wire) = Mysql::admitted(connection, buffer, asks_for_tls, self.only_kill.is_some())?;
                self.stage = Stage::Mysql(Box::new(mysql));
                self.following = Some(Following::mysql(connection, counters, deadline_ms, wire));
            }
        }
        if asks_for_tls && self.reaching.is_some() {
            // When TLS fails Envoy closes without a word; it waits until the word is spoken.
            connection.hold_close(true);
            self.tls = Some(UpstreamTls::asked());
        }
        Ok(Status::Continue)
    }

    /// The number behind the response that opens `buffer`; of no meaning in Postgres.
    fn answer_sequence(&self, buffer: &Buffer<'_>) -> u8 {
        packet::header(&buffer.copy(packet::HEADER_BYTES)).map_or(0, |(_, sequence)| sequence.wrapping_add(1))
    }
}
