//! An object of the configuration, taken apart field by field; what nobody has asked for is unknown.

use serde_json::{Map, Value};

use super::Protocol;

pub struct Fields {
    path: String,
    left: Map<String, Value>,
}

impl Fields {
    pub fn read(filter: &str, json: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice(json) {
            Ok(Value::Object(left)) => Ok(Self { path: filter.to_owned(), left }),
            Ok(other) => Err(format!("{filter}: expected an object, found {other}")),
            Err(error) => Err(format!("{filter}: expected a google.protobuf.Struct as JSON: {error}")),
        }
    }

    fn required(&mut self, name: &str) -> Result<Value, String> {
        self.left.remove(name).ok_or_else(|| format!("{}.{name}: required, but missing", self.path))
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn object(&mut self, name: &str) -> Result<Fields, String> {
        match self.required(name)? {
            Value::Object(left) => Ok(Fields { path: format!("{}.{name}", self.path), left }),
            other => Err(format!("{}.{name}: expected an object, found {other}", self.path)),
        }
    }

    pub fn text(&mut self, name: &str, max_bytes: usize) -> Result<String, String> {
        match self.required(name)? {
            Value::String(text) if (1..=max_bytes).contains(&text.len()) && !text.contains('\0') => Ok(text),
            other => Err(format!(
                "{}.{name}: expected a text of 1 to {max_bytes} bytes without NUL, found {other}",
                self.path
            )),
        }
    }

    pub fn protocol(&mut self) -> Result<Protocol, String> {
        match self.text("protocol", 16)?.as_str() {
            "postgres" => Ok(Protocol::Postgres),
            "mysql" => Ok(Protocol::Mysql),
            other => Err(format!("{}.protocol: expected \"postgres\" or \"mysql\", found {other:?}", self.path)),
        }
    }

    /// Numbers of a Struct are doubles: 10000 may arrive as 10000.0.
    pub fn whole(&mut self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
        let found = self.required(name)?;
        found
            .as_f64()
            .filter(|number| number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(number))
            .map(|number| number as u64)
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (low, high) = (range.start(), range.end());
                format!("{}.{name}: expected a whole number from {low} to {high}, found {found}", self.path)
            })
    }

    pub fn end(self) -> Result<(), String> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("{}.{name}: unknown field", self.path)),
        }
    }
}
