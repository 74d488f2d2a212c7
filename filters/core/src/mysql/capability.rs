//! Capability flags: what client and server agree to speak.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html>,
//! <https://mariadb.com/kb/en/connection/#capabilities>

/// CLIENT_LONG_PASSWORD to MySQL; MariaDB calls it CLIENT_MYSQL and clears it to say "extended capabilities follow".
pub const CLIENT_MYSQL: u32 = 1;
/// A database is named in the response.
pub const CONNECT_WITH_DB: u32 = 1 << 3;
/// zlib.
pub const COMPRESS: u32 = 1 << 5;
/// The 4.1 protocol: the only one that is spoken here.
pub const PROTOCOL_41: u32 = 1 << 9;
/// TLS, and in the first packet of 32 bytes: "TLS follows".
pub const SSL: u32 = 1 << 11;
/// The auth response has a length byte.
pub const SECURE_CONNECTION: u32 = 1 << 15;
/// Auth plugins are named, so AuthSwitch works.
pub const PLUGIN_AUTH: u32 = 1 << 19;
/// Connection attributes follow.
pub const CONNECT_ATTRS: u32 = 1 << 20;
/// The auth response has a length-encoded length.
pub const PLUGIN_AUTH_LENENC: u32 = 1 << 21;
/// Rows end by an OK packet, definitions by nothing.
pub const DEPRECATE_EOF: u32 = 1 << 24;
/// A result may come without its column definitions, and says so.
pub const OPTIONAL_METADATA: u32 = 1 << 25;
/// zstd.
pub const ZSTD: u32 = 1 << 26;
/// Statements begin with their attributes.
pub const QUERY_ATTRIBUTES: u32 = 1 << 27;

/// MariaDB's, extended: the result of a prepared statement may come without its column definitions, and says so.
pub const MARIADB_CACHE_METADATA: u32 = 1 << 4;

/// Without these no greeting of the front makes sense.
pub const REQUIRED: u32 = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
/// A relay that follows packets can't look into compressed ones.
pub const NEVER: u32 = COMPRESS | ZSTD;
/// Flags that change how either side reads the other's bytes. Where a client has taken one from the front's greeting that
/// the server does not have, the two would misread each other.
pub const CHANGE_THE_WIRE: u32 = CONNECT_WITH_DB
    | PROTOCOL_41
    | SECURE_CONNECTION
    | (1 << 16) // MULTI_STATEMENTS
    | (1 << 17) // MULTI_RESULTS
    | (1 << 18) // PS_MULTI_RESULTS
    | PLUGIN_AUTH
    | CONNECT_ATTRS
    | PLUGIN_AUTH_LENENC
    | (1 << 23) // SESSION_TRACK
    | DEPRECATE_EOF
    | OPTIONAL_METADATA
    | QUERY_ATTRIBUTES
    | (1 << 28); // MULTI_FACTOR_AUTHENTICATION
/// Of these, the ones that have no say in how the handshake response itself is read.
pub const BEHIND_THE_RESPONSE: u32 = CHANGE_THE_WIRE
    & !(CONNECT_WITH_DB | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH | CONNECT_ATTRS | PLUGIN_AUTH_LENENC);
