//! Envoy's own statistics: defined with a filter's configuration, changed by its filters. Envoy keeps them below
//! `dynamicmodulescustom.`, and two configurations that define one name share it.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::connection::Connection;
use crate::sys::{self, Bytes, EnvoyPtr};

/// What statistics are defined with, while a configuration is made.
pub struct Stats<'call> {
    config: EnvoyPtr,
    call: PhantomData<&'call Cell<()>>,
}

/// A number that only grows.
#[derive(Debug, Clone, Copy)]
pub struct Counter(usize);

/// A distribution of numbers.
#[derive(Debug, Clone, Copy)]
pub struct Histogram(usize);

impl Stats<'_> {
    pub(crate) fn new(config: EnvoyPtr) -> Self {
        Self { config, call: PhantomData }
    }

    /// Defines a counter; an `Err` says which could not be.
    pub fn counter(&self, name: &str) -> Result<Counter, String> {
        let (bytes, mut id) = (Bytes::of(name.as_bytes()), 0);
        // SAFETY: `config` is alive while the configuration is made; Envoy copies the name.
        let result = unsafe {
            sys::envoy_dynamic_module_callback_network_filter_config_define_counter(self.config, bytes, &mut id)
        };
        defined(result, name).map(|()| Counter(id))
    }

    /// Defines a histogram; an `Err` says which could not be.
    pub fn histogram(&self, name: &str) -> Result<Histogram, String> {
        let (bytes, mut id) = (Bytes::of(name.as_bytes()), 0);
        // SAFETY: as in `counter`.
        let result = unsafe {
            sys::envoy_dynamic_module_callback_network_filter_config_define_histogram(self.config, bytes, &mut id)
        };
        defined(result, name).map(|()| Histogram(id))
    }
}

fn defined(result: u32, name: &str) -> Result<(), String> {
    if result == sys::METRICS_SUCCESS { Ok(()) } else { Err(format!("the statistic {name:?} can't be defined")) }
}

impl Connection<'_> {
    /// Adds to a counter of this filter's configuration.
    pub fn add(&self, counter: Counter, value: u64) {
        // SAFETY: `filter` is alive during the callback. An id that is unknown changes nothing.
        unsafe {
            sys::envoy_dynamic_module_callback_network_filter_increment_counter(self.filter, counter.0, value);
        }
    }

    /// Puts a value into a histogram of this filter's configuration.
    pub fn record(&self, histogram: Histogram, value: u64) {
        // SAFETY: as in `add`.
        unsafe {
            sys::envoy_dynamic_module_callback_network_filter_record_histogram_value(self.filter, histogram.0, value);
        }
    }
}
