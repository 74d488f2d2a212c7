//! Listener filter hooks.

use std::cell::RefCell;

use super::{configured, not_started, status};
use crate::edge::{guarded, module};
use crate::sys::{Bytes, EnvoyPtr, ModulePtr};
use crate::{ListenerFactory, ListenerFilter, Socket, Status};

type Factory = Box<dyn ListenerFactory>;
type Filter = RefCell<Box<dyn ListenerFilter>>;

/// Enters the filter; a filter that is already running is passed by. After a panic the socket is closed.
///
/// # Safety
/// `filter` must be what `envoy_dynamic_module_on_listener_filter_new` returned, not destroyed.
unsafe fn enter(
    hook: &str,
    envoy: EnvoyPtr,
    filter: ModulePtr,
    call: impl FnOnce(&mut dyn ListenerFilter, &Socket<'_>) -> Status,
) -> u32 {
    // SAFETY: the caller's promise. All calls for one filter come from one thread.
    let filter = unsafe { &*filter.cast::<Filter>() };
    let socket = Socket::new(envoy);
    let outcome = guarded(hook, || match filter.try_borrow_mut() {
        Ok(mut filter) => call(filter.as_mut(), &socket),
        Err(_) => Status::Continue,
    });
    status(outcome.unwrap_or_else(|| {
        socket.close("sluice_bug");
        Status::Stop
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_listener_filter_config_new(
    _envoy: EnvoyPtr,
    name: Bytes,
    config: Bytes,
) -> ModulePtr {
    // SAFETY: Envoy's buffers live until this call returns.
    let (name, config) = unsafe { (String::from_utf8_lossy(name.as_slice()), config.as_slice()) };
    let made =
        guarded("listener config", || module().map_or_else(not_started, |module| module.listener(&name, config)));
    configured(&name, made)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_listener_filter_config_destroy(config: ModulePtr) {
    // SAFETY: made by `configured`, destroyed once.
    guarded("listener config destroy", || drop(unsafe { Box::from_raw(config.cast_mut().cast::<Factory>()) }));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_listener_filter_new(config: ModulePtr, _envoy: EnvoyPtr) -> ModulePtr {
    // SAFETY: made by `configured`; Envoy keeps it while filters exist.
    let factory = unsafe { &*config.cast::<Factory>() };
    guarded("listener filter", || factory.create())
        .map_or(std::ptr::null(), |filter| Box::into_raw(Box::new(Filter::new(filter))).cast_const().cast())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_listener_filter_on_accept(envoy: EnvoyPtr, filter: ModulePtr) -> u32 {
    // SAFETY: Envoy calls with a filter of `new`.
    unsafe { enter("on_accept", envoy, filter, |filter, socket| filter.on_accept(socket)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_listener_filter_on_data(
    envoy: EnvoyPtr,
    filter: ModulePtr,
    _length: usize,
) -> u32 {
    // SAFETY: as above.
    unsafe { enter("on_data", envoy, filter, |filter, socket| filter.on_data(socket)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_listener_filter_get_max_read_bytes(
    _envoy: EnvoyPtr,
    filter: ModulePtr,
) -> usize {
    // SAFETY: as above.
    let filter = unsafe { &*filter.cast::<Filter>() };
    guarded("max_read_bytes", || filter.try_borrow().map_or(0, |filter| filter.max_read_bytes())).unwrap_or(0)
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_listener_filter_on_close(_envoy: EnvoyPtr, _filter: ModulePtr) {}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_listener_filter_destroy(filter: ModulePtr) {
    // SAFETY: made by `new`, destroyed once.
    guarded("listener filter destroy", || drop(unsafe { Box::from_raw(filter.cast_mut().cast::<Filter>()) }));
}

/// Not used, but Envoy does not load a listener filter without it.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_listener_filter_scheduled(_envoy: EnvoyPtr, _filter: ModulePtr, _event: u64) {}
