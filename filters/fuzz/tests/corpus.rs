//! The kept inputs of every fuzz target, and the captures of real traffic, run again. No fuzzer is needed for that.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use sluice_fuzz::{TARGETS, Target};

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn inputs(target: &str) -> Vec<Vec<u8>> {
    let file = here("corpus").join(format!("{target}.hex"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().map(|line| unhex(line).unwrap_or_else(|| panic!("{}: {line:?} is no hex", file.display()))).collect()
}

fn unhex(line: &str) -> Option<Vec<u8>> {
    line.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn captures() -> Vec<Vec<u8>> {
    ["postgres", "mysql"]
        .iter()
        .flat_map(|protocol| fs::read_dir(here("../core/tests/captures").join(protocol)).expect("captures"))
        .map(|entry| fs::read(entry.expect("an entry").path()).expect("readable"))
        .collect()
}

/// The inputs, in hex, that `target` finds something with.
fn found(target: Target, inputs: &[Vec<u8>]) -> Vec<String> {
    let hex = |input: &Vec<u8>| input.iter().map(|byte| format!("{byte:02x}")).collect();
    inputs.iter().filter(|input| catch_unwind(|| target(input)).is_err()).map(hex).collect()
}

#[test]
fn nothing_is_found_in_the_kept_inputs() {
    for (name, target) in TARGETS {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "{name} keeps no inputs");
        assert_eq!(found(*target, &inputs), [""; 0], "{name}");
    }
}

#[test]
fn nothing_is_found_in_real_traffic() {
    let mut captures = captures();
    assert!(captures.len() > 30);
    // A byte in front of each: how the rest is cut.
    captures.extend(captures.clone().into_iter().map(|bytes| [vec![3, 0, 4, 1], bytes].concat()));
    for (name, target) in TARGETS {
        assert_eq!(found(*target, &captures), [""; 0], "{name}");
    }
}

#[test]
fn every_kept_corpus_belongs_to_a_target() {
    for entry in fs::read_dir(here("corpus")).expect("a folder") {
        let file = entry.expect("an entry").file_name().into_string().expect("a name");
        assert!(TARGETS.iter().any(|(name, _)| format!("{name}.hex") == file), "{file} belongs to no target");
    }
}
