//! When a connection was accepted, and what it was offered: what `handshake` leaves for the network filters.

/// The key under which it travels from filter to filter of one connection.
pub const KEY: &str = "sluice.birth";

/// The moment of accept on two clocks, and the capabilities of the front's own greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Birth {
    /// CLOCK_MONOTONIC, in milliseconds.
    pub monotonic_ms: u64,
    /// Since 1970, in milliseconds.
    pub unix_ms: u64,
    /// The capabilities of the MySQL greeting that the client has seen; 0 for Postgres.
    pub offered: u32,
    /// The MariaDB part of them.
    pub offered_mariadb: u32,
    /// The connection id of that greeting; 0 for Postgres.
    pub front_id: u32,
}

impl Birth {
    /// As text: filter state can show up in Envoy's dumps.
    pub fn to_text(self) -> String {
        let Self { monotonic_ms, unix_ms, offered, offered_mariadb, front_id } = self;
        format!("{monotonic_ms} {unix_ms} {offered} {offered_mariadb} {front_id}")
    }

    /// Reads what [`Birth::to_text`] wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut fields = text.split(' ').map(str::parse::<u64>);
        let mut next = || fields.next()?.ok();
        Some(Self {
            monotonic_ms: next()?,
            unix_ms: next()?,
            offered: u32::try_from(next()?).ok()?,
            offered_mariadb: u32::try_from(next()?).ok()?,
            front_id: u32::try_from(next()?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birth_survives_the_way_between_filters() {
        let birth = Birth { monotonic_ms: 1, unix_ms: u64::MAX, offered: u32::MAX, offered_mariadb: 29, front_id: 7 };
        assert_eq!(Birth::from_text(&birth.to_text()), Some(birth));
        assert_eq!(Birth::from_text("1 2 3"), None);
        assert_eq!(Birth::from_text("1 2 4294967296 0 0"), None);
    }
}
