//! Network filter hooks.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::{configured, not_started, status};
use crate::buffer::Side;
use crate::edge::{guarded, is_probe, module};
use crate::scheduler::Line;
use crate::sys::{self, Bytes, EnvoyPtr, KeyValue, ModulePtr};
use crate::{Buffer, Callout, Close, Connection, Event, NetworkFactory, NetworkFilter, Stats, Status};

type Factory = Box<dyn NetworkFactory>;

struct Filter {
    line: Arc<Line>,
    inner: RefCell<Box<dyn NetworkFilter>>,
    end: Cell<End>,
}

/// Of the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    /// It came by this event while the filter was running.
    Untold(Event),
    Told,
}

impl Filter {
    /// Tells the filter of the end, unless it is running: then its outermost call does when it is over.
    fn tell_end(&self, connection: &Connection<'_>) {
        if let (End::Untold(event), Ok(mut inner)) = (self.end.get(), self.inner.try_borrow_mut()) {
            self.end.set(End::Told);
            guarded("on_event", || inner.on_event(connection, event));
        }
    }
}

/// Enters the filter; a filter that is already running is passed by, and so is one that knows of its connection's end. After a
/// panic the connection is closed.
///
/// # Safety
/// `filter` must be what `envoy_dynamic_module_on_network_filter_new` returned, not destroyed.
unsafe fn enter(
    hook: &str,
    envoy: EnvoyPtr,
    filter: ModulePtr,
    call: impl FnOnce(&mut dyn NetworkFilter, &Connection<'_>) -> Status,
) -> u32 {
    // SAFETY: the caller's promise. All calls for one filter come from one thread.
    let filter = unsafe { &*filter.cast::<Filter>() };
    if filter.end.get() == End::Told {
        return status(Status::Stop);
    }
    let connection = Connection::new(envoy, &filter.line);
    let outcome = guarded(hook, || match filter.inner.try_borrow_mut() {
        Ok(mut filter) => call(filter.as_mut(), &connection),
        Err(_) => Status::Continue,
    });
    let outcome = outcome.unwrap_or_else(|| {
        connection.close(Close::NoFlush, "sluice_bug");
        Status::Stop
    });
    filter.tell_end(&connection);
    status(outcome)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_config_new(
    envoy: EnvoyPtr,
    name: Bytes,
    config: Bytes,
) -> ModulePtr {
    // SAFETY: Envoy's buffers live until this call returns.
    let (name, config) = unsafe { (String::from_utf8_lossy(name.as_slice()), config.as_slice()) };
    let stats = Stats::new(envoy);
    let made =
        guarded("network config", || module().map_or_else(not_started, |module| module.network(&name, config, &stats)));
    configured(&name, made)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_config_destroy(config: ModulePtr) {
    // SAFETY: made by `configured`, destroyed once.
    guarded("network config destroy", || drop(unsafe { Box::from_raw(config.cast_mut().cast::<Factory>()) }));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_new(config: ModulePtr, envoy: EnvoyPtr) -> ModulePtr {
    // SAFETY: made by `configured`; Envoy keeps it while filters exist.
    let factory = unsafe { &*config.cast::<Factory>() };
    // Envoy closes a connection whose filter is null.
    guarded("network filter", || {
        let line = Arc::default();
        let inner = RefCell::new(factory.create(&Connection::new(envoy, &line)));
        Box::into_raw(Box::new(Filter { line, inner, end: Cell::new(End::NotYet) })).cast_const().cast()
    })
    .unwrap_or(std::ptr::null())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_new_connection(envoy: EnvoyPtr, filter: ModulePtr) -> u32 {
    // SAFETY: Envoy calls with a filter of `new`.
    unsafe { enter("on_new_connection", envoy, filter, |filter, connection| filter.on_new_connection(connection)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_read(
    envoy: EnvoyPtr,
    filter: ModulePtr,
    _length: usize,
    end_stream: bool,
) -> u32 {
    let mut buffer = Buffer::new(envoy, Side::Read);
    // SAFETY: Envoy calls with a filter of `new`.
    unsafe { enter("on_read", envoy, filter, |filter, connection| filter.on_read(connection, &mut buffer, end_stream)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_write(
    envoy: EnvoyPtr,
    filter: ModulePtr,
    _length: usize,
    end_stream: bool,
) -> u32 {
    let mut buffer = Buffer::new(envoy, Side::Write);
    if is_probe() {
        buffer.replace(b"");
        return status(Status::Continue);
    }
    // SAFETY: as above.
    unsafe {
        enter("on_write", envoy, filter, |filter, connection| filter.on_write(connection, &mut buffer, end_stream))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_event(envoy: EnvoyPtr, filter: ModulePtr, event: u32) {
    let Some(event) = Event::from_abi(event) else { return };
    if event == Event::Connected {
        // SAFETY: as above.
        unsafe {
            enter("on_event", envoy, filter, |filter, connection| {
                filter.on_event(connection, event);
                Status::Continue
            });
        }
        return;
    }
    // SAFETY: as above.
    let filter = unsafe { &*filter.cast::<Filter>() };
    if filter.end.get() == End::NotYet {
        filter.end.set(End::Untold(event));
        filter.line.cut();
        filter.tell_end(&Connection::new(envoy, &filter.line));
    }
}

#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments, reason = "the ABI's own")]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_http_callout_done(
    envoy: EnvoyPtr,
    filter: ModulePtr,
    callout: u64,
    result: u32,
    _headers: *const KeyValue,
    _headers_count: usize,
    chunks: *const Bytes,
    count: usize,
) {
    let body = (result == sys::CALLOUT_ANSWERED).then(|| {
        let mut body = Vec::new();
        for at in 0..count {
            // SAFETY: Envoy hands over `count` chunks that live until this call returns.
            body.extend_from_slice(unsafe { (*chunks.add(at)).as_slice() });
        }
        body
    });
    // SAFETY: as above.
    unsafe {
        enter("on_answered", envoy, filter, |filter, connection| {
            filter.on_answered(connection, Callout(callout), body.as_deref());
            Status::Continue
        });
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_scheduled(envoy: EnvoyPtr, filter: ModulePtr, event: u64) {
    // SAFETY: as above.
    unsafe {
        enter("on_scheduled", envoy, filter, |filter, connection| {
            filter.on_scheduled(connection, event);
            Status::Continue
        });
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_destroy(filter: ModulePtr) {
    // SAFETY: made by `new`, destroyed once.
    guarded("network filter destroy", || drop(unsafe { Box::from_raw(filter.cast_mut().cast::<Filter>()) }));
}
