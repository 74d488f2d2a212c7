//! The start of a MySQL or MariaDB connection, protocol 10.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>,
//! <https://mariadb.com/kb/en/clientserver-protocol/>

pub mod capability;
pub mod packet;
