//! How the two sides have agreed to write results: what of their capabilities matters to somebody who follows.

use super::capability::{DEPRECATE_EOF, MARIADB_CACHE_METADATA, OPTIONAL_METADATA};
use super::response::Response;
use crate::birth::Birth;

/// What changes the packets of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wire {
    /// CLIENT_DEPRECATE_EOF.
    pub deprecate_eof: bool,
    /// CLIENT_OPTIONAL_RESULTSET_METADATA.
    pub optional_metadata: bool,
    /// MARIADB_CLIENT_CACHE_METADATA.
    pub cache_metadata: bool,
}

impl Wire {
    /// What `response` took. `None` where it took what it was not offered: whether the server goes along is not known.
    pub fn agreed(response: &Response, birth: &Birth) -> Option<Self> {
        let shared = response.capabilities & (DEPRECATE_EOF | OPTIONAL_METADATA);
        let mariadb = response.mariadb_capabilities & MARIADB_CACHE_METADATA;
        if shared & !birth.offered != 0 || mariadb & !birth.offered_mariadb != 0 {
            return None;
        }
        Some(Self {
            deprecate_eof: shared & DEPRECATE_EOF != 0,
            optional_metadata: shared & OPTIONAL_METADATA != 0,
            cache_metadata: mariadb != 0,
        })
    }
}
