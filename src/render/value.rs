//! Values in the engine's own form. A secret becomes an object that notes when it is printed.
//!
//! The engine's own serializer would make a secret a text like any other, hence this one. It recognises a secret by its
//! type's name, so `resolve` and `secrets` know nothing of the engine.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use serde::de::value::Error;
use serde::ser::{self, Impossible, Serialize, Serializer};

use crate::secrets::Secret;

/// The first secret that was printed since the last `take`.
#[derive(Debug, Default)]
pub(super) struct Printed(Mutex<Option<String>>);

impl Printed {
    fn note(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| name.to_owned());
    }

    /// Its name, which is then forgotten.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A secret in a template. The engine does not take it for text, so whatever makes text of it (printing, a filter, `~`, `tojson`
/// of a mapping around it) calls `render`. Passing it on and testing it (`is defined`, `if`) leave no note.
struct SecretValue {
    name: String,
    text: String,
    printed: Arc<Printed>,
}

/// For the engine's own error reports.
impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Object for SecretValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.text.is_empty()
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.printed.note(&self.name);
        f.write_str(&self.text)
    }
}

/// Whether a value is a secret.
pub(super) fn is_secret(value: &Value) -> bool {
    value.downcast_object_ref::<SecretValue>().is_some()
}

/// A mapping that keeps the order of its keys.
#[derive(Debug)]
struct Mapping(Vec<(Value, Value)>);

impl Object for Mapping {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.iter().find_map(|(own, value)| (own.as_str() == Some(key)).then(|| value.clone()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(key, _)| key.clone()).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

/// Converts what templates see as `name`, or as names of their own where `name` is empty.
pub(super) fn convert(printed: &Arc<Printed>, name: &str, value: &impl Serialize) -> Result<Value, Error> {
    value.serialize(Converter { printed, parent: None, step: name })
}

/// A step on the way to a value. The steps to a secret are its name: `vpn.server.accounts[].hash`.
#[derive(Clone, Copy)]
struct Converter<'a> {
    printed: &'a Arc<Printed>,
    parent: Option<&'a Converter<'a>>,
    step: &'a str,
}

/// The step to an item of a list.
const ITEM: &str = "[]";

impl Converter<'_> {
    fn child<T: Serialize + ?Sized>(&self, step: &str, value: &T) -> Result<Value, Error> {
        value.serialize(Converter { printed: self.printed, parent: Some(self), step })
    }

    fn name(&self) -> String {
        let before = self.parent.map(Converter::name).unwrap_or_default();
        let dot = if before.is_empty() || self.step == ITEM { "" } else { "." };
        before + dot + self.step
    }
}

fn no_such_value<T>() -> Result<T, Error> {
    Err(ser::Error::custom("templates know no such value"))
}

macro_rules! as_they_are {
    ($($function:ident: $type:ty),*) => {
        $(fn $function(self, value: $type) -> Result<Value, Error> {
            Ok(Value::from(value))
        })*
    };
}

impl<'a> Serializer for Converter<'a> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Items<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Entries<'a>;
    type SerializeTuple = Impossible<Value, Error>;
    type SerializeTupleStruct = Impossible<Value, Error>;
    type SerializeTupleVariant = Impossible<Value, Error>;
    type SerializeStructVariant = Impossible<Value, Error>;

    as_they_are!(
        serialize_bool: bool, serialize_char: char, serialize_str: &str,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_f32: f32, serialize_f64: f64
    );

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Value, Error> {
        let plain = value.serialize(self)?;
        match plain.as_str() {
            Some(text) if name == Secret::TYPE => Ok(Value::from_object(SecretValue {
                name: self.name(),
                text: text.to_owned(),
                printed: Arc::clone(self.printed),
            })),
            _ => Ok(plain),
        }
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'a>, Error> {
        Ok(Items { list: self, items: Vec::with_capacity(length.unwrap_or_default()) })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries<'a>, Error> {
        Ok(Entries { mapping: self, entries: Vec::with_capacity(length.unwrap_or_default()), key: None })
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Entries<'a>, Error> {
        self.serialize_map(Some(length))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<Value, Error> {
        self.serialize_unit()
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::from(()))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, Error> {
        Ok(Value::from(variant))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Value, Error> {
        no_such_value()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Value, Error> {
        no_such_value()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        no_such_value()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        no_such_value()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        no_such_value()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        no_such_value()
    }
}

struct Items<'a> {
    list: Converter<'a>,
    items: Vec<Value>,
}

impl ser::SerializeSeq for Items<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        self.items.push(self.list.child(ITEM, item)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(Value::from_object(self.items))
    }
}

struct Entries<'a> {
    mapping: Converter<'a>,
    entries: Vec<(Value, Value)>,
    key: Option<Value>,
}

impl ser::SerializeMap for Entries<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(key.serialize(self.mapping)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let Some(key) = self.key.take() else { return no_such_value() };
        let step = key.as_str().map_or_else(no_such_value, |step| Ok(step.to_owned()))?;
        self.entries.push((key, self.mapping.child(&step, value)?));
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(Value::from_object(Mapping(self.entries)))
    }
}

impl ser::SerializeStruct for Entries<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.entries.push((Value::from(key), self.mapping.child(key, value)?));
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(Value::from_object(Mapping(self.entries)))
    }
}
