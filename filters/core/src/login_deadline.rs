//! How long a login may stand still. From the grant to the server's acceptance a client holds a connection of the server's
//! without having proved anything; the servers' own limits for that are a minute and ten seconds.

use crate::refusal::Refusal;

/// The word for it in metadata.
pub const WORD: &str = "login_deadline";
/// The connection's termination details.
pub const DETAILS: &str = "sluice_login_deadline";

/// The last words. Codes are those with which the servers themselves say it: Postgres' authentication_timeout, and MySQL's
/// ER_NET_READ_INTERRUPTED.
pub fn refusal(deadline_ms: u64) -> Refusal {
    let message = format!("the database has not accepted the login within {deadline_ms} ms");
    let mut refusal = Refusal::new(b"57014", 1159, message);
    refusal.hint = Some(
        "Know the password before you connect: from then on the login holds a connection to the database.".to_owned(),
    );
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reads_how_long_it_had_and_what_to_do() {
        let said = String::from_utf8_lossy(&refusal(30_000).as_postgres()).into_owned();
        assert!(said.contains("SFATAL\0VFATAL\0C57014\0Mthe database has not accepted the login within 30000 ms\0H"));
        let said = refusal(30_000).as_mysql(4);
        assert_eq!(said[3..13], *b"\x04\xff\x87\x04#08S01");
        assert!(said.ends_with(b"the database has not accepted the login within 30000 ms"));
    }
}
