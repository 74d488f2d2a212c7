//! Clocks and randomness: what the pure crate is given as arguments.

/// Fills `bytes` from the operating system.
///
/// # Panics
/// Where the kernel gives none; the edge turns that into one closed connection.
#[allow(clippy::expect_used)]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives no random bytes");
    bytes
}

/// CLOCK_MONOTONIC in milliseconds: the same for every process of the node, unlike `std::time::Instant`, which hides it.
pub fn monotonic_ms() -> u64 {
    clock_ms(libc::CLOCK_MONOTONIC)
}

/// The same in microseconds.
pub fn monotonic_us() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC) / 1_000
}

/// Milliseconds since 1970, for people; nothing is decided by it.
pub fn unix_ms() -> u64 {
    clock_ms(libc::CLOCK_REALTIME)
}

fn clock_ms(clock: libc::clockid_t) -> u64 {
    clock_ns(clock) / 1_000_000
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writes; both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &mut now) };
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
