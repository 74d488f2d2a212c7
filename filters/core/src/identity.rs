//! Who a client says he is, to which database: what ext_authz is asked about. None of it is proven here.

/// The longest `application_name` (or `program_name`) that is reported; Postgres itself keeps 63 bytes.
pub const MAX_APPLICATION_NAME_BYTES: usize = 64;
/// The longest `options` that is reported.
pub const MAX_OPTIONS_BYTES: usize = 1024;

/// The claims of a startup message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The account.
    pub user: String,
    /// The database: for Postgres the user's name where none is given, for MySQL empty.
    pub database: String,
    /// What the program calls itself, cut to [`MAX_APPLICATION_NAME_BYTES`].
    pub application_name: String,
    /// Postgres' `options`, cut to [`MAX_OPTIONS_BYTES`]; absent where the client sent none.
    pub options: Option<String>,
}
