//! Servers as far as somebody who follows a session must know them, written without a look at how it is followed: who owes
//! whom a word.

pub mod mysql;
pub mod postgres;
