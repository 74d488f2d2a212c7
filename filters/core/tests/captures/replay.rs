//! The captures, and every way to cut them.

use std::path::Path;

/// The bytes of `tests/captures/NAME`.
pub fn capture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every way to cut `bytes` in two.
pub fn splits(bytes: &[u8]) -> impl Iterator<Item = [&[u8]; 2]> {
    (0..=bytes.len()).map(|at| bytes.split_at(at).into())
}
