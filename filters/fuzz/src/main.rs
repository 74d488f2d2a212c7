//! The fuzzer: libFuzzer around the target that `SLUICE_FUZZ_TARGET` names. Started by `make fuzz`.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sluice_fuzz::{Target, target};

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|input: &[u8]| {
    TARGET.get_or_init(|| {
        let name = std::env::var("SLUICE_FUZZ_TARGET").expect("SLUICE_FUZZ_TARGET names the target");
        target(&name).unwrap_or_else(|| panic!("no fuzz target is called {name}"))
    })(input);
});
