//! The symbols that Envoy looks up when it loads the module.

mod listener;
mod network;

use crate::sys::{CONTINUE, STOP_ITERATION};
use crate::{Level, Status, log};

fn status(status: Status) -> u32 {
    match status {
        Status::Continue => CONTINUE,
        Status::Stop => STOP_ITERATION,
    }
}

/// Hands a configuration to Envoy as a pointer, or null with the reason in the log: Envoy then rejects the listener.
fn configured<T: ?Sized>(name: &str, made: Option<Result<Box<T>, String>>) -> crate::sys::ModulePtr {
    match made {
        // Boxed twice: a pointer to a trait object is two words, Envoy keeps one.
        Some(Ok(factory)) => Box::into_raw(Box::new(factory)).cast_const().cast(),
        Some(Err(problem)) => {
            log(Level::Error, || format!("filter {name:?} rejected: {problem}"));
            std::ptr::null()
        }
        None => std::ptr::null(),
    }
}

fn not_started<T: ?Sized>() -> Result<Box<T>, String> {
    Err("envoy_dynamic_module_on_program_init was not called".to_owned())
}
