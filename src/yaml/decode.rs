//! A serde deserializer over [`Node`] that reports every fault at its place.

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::located::LOCATED;
use super::node::{Key, Node, Value};
use crate::diagnostic::{Diagnostic, Place, Problem, Result};

/// Decodes a node strictly: no unknown key, no type bent to fit, and a place on every error.
pub fn decode<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T> {
    T::deserialize(Decoder(node))
}

impl de::Error for Diagnostic {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::nowhere(Problem::Value { message: message.to_string() })
    }

    fn invalid_type(found: Unexpected, expected: &dyn de::Expected) -> Self {
        Self::nowhere(Problem::WrongType { expected: expected.to_string(), found: found.to_string() })
    }

    fn unknown_field(key: &str, expected: &'static [&'static str]) -> Self {
        Self::nowhere(Problem::UnknownKey { key: key.to_owned(), known: known(expected) })
    }

    fn unknown_variant(word: &str, expected: &'static [&'static str]) -> Self {
        Self::nowhere(Problem::UnknownWord { word: word.to_owned(), known: known(expected) })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::nowhere(Problem::MissingKey { key: key.to_owned() })
    }
}

fn known(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

struct Decoder<'de>(&'de Node);

impl<'de> Decoder<'de> {
    fn expect(&self, expected: &str) -> Diagnostic {
        let found = self.0.value.kind().to_owned();
        let problem = match &self.0.value {
            Value::Integer(_) | Value::Float(_) | Value::Bool(_) if expected == "text" => {
                Problem::QuotesNeeded { found }
            }
            Value::String(word) if expected == "true or false" => Problem::NotABoolean { word: word.clone() },
            _ => Problem::WrongType { expected: expected.to_owned(), found },
        };
        Diagnostic::at(self.0.place, problem)
    }
}

macro_rules! scalar {
    ($($method:ident $pattern:pat => $call:expr, $expected:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let place = self.0.place;
            match &self.0.value {
                $pattern => ($call)(visitor).map_err(|e: Diagnostic| e.or_at(place)),
                _ => Err(self.expect($expected)),
            }
        }
    )*};
}

macro_rules! integers {
    ($($method:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let place = self.0.place;
            match &self.0.value {
                Value::Integer(n) if <$type>::try_from(*n).is_err() => {
                    let expected = format!("a whole number of {} to {}", <$type>::MIN, <$type>::MAX);
                    Err(Diagnostic::at(place, Problem::WrongType { expected, found: n.to_string() }))
                }
                Value::Integer(n) => visitor.visit_i64(*n).map_err(|e: Diagnostic| e.or_at(place)),
                _ => Err(self.expect("a whole number")),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'de> {
    type Error = Diagnostic;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let place = self.0.place;
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(*b),
            Value::Integer(n) => visitor.visit_i64(*n),
            Value::Float(n) => visitor.visit_f64(*n),
            Value::String(s) => visitor.visit_borrowed_str(s),
            Value::Sequence(items) => visitor.visit_seq(Items(items.iter())),
            Value::Mapping(entries) => visitor.visit_map(Pairs { entries: entries.iter(), value: None }),
        }
        .map_err(|e: Diagnostic| e.or_at(place))
    }

    scalar! {
        deserialize_bool Value::Bool(b) => |v: V| v.visit_bool(*b), "true or false";
        deserialize_str Value::String(s) => |v: V| v.visit_borrowed_str(s), "text";
        deserialize_string Value::String(s) => |v: V| v.visit_borrowed_str(s), "text";
        deserialize_char Value::String(s) => |v: V| v.visit_borrowed_str(s), "text";
        deserialize_unit Value::Null => |v: V| v.visit_unit(), "nothing";
        deserialize_seq Value::Sequence(items) => |v: V| v.visit_seq(Items(items.iter())), "a list";
        deserialize_map Value::Mapping(entries) =>
            |v: V| v.visit_map(Pairs { entries: entries.iter(), value: None }), "a mapping";
    }

    integers! {
        deserialize_i8 i8; deserialize_i16 i16; deserialize_i32 i32; deserialize_i64 i64;
        deserialize_u8 u8; deserialize_u16 u16; deserialize_u32 u32; deserialize_u64 u64;
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        let place = self.0.place;
        if name == LOCATED {
            visitor.visit_seq(WithPlace { place: Some(place), value: Some(self) })
        } else {
            visitor.visit_newtype_struct(self).map_err(|e: Diagnostic| e.or_at(place))
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let place = self.0.place;
        match &self.0.value {
            Value::String(word) => {
                visitor.visit_enum(word.as_str().into_deserializer()).map_err(|e: Diagnostic| e.or_at(place))
            }
            Value::Mapping(entries) if entries.len() == 1 => {
                let (key, value) = &entries[0];
                visitor.visit_enum(OneEntry { key, value }).map_err(|e: Diagnostic| e.or_at(place))
            }
            _ => Err(self.expect("text")),
        }
    }

    forward_to_deserialize_any! { i128 u128 f32 f64 bytes byte_buf unit_struct tuple tuple_struct identifier ignored_any }
}

struct OneEntry<'de> {
    key: &'de Key,
    value: &'de Node,
}

impl<'de> EnumAccess<'de> for OneEntry<'de> {
    type Error = Diagnostic;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let variant = seed.deserialize(KeyDecoder(self.key))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for OneEntry<'de> {
    type Error = Diagnostic;

    fn unit_variant(self) -> Result<()> {
        Err(Decoder(self.value).expect("nothing"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(Decoder(self.value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        Decoder(self.value).deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        Decoder(self.value).deserialize_map(visitor)
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Diagnostic;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.0.next().map(|node| seed.deserialize(Decoder(node)).map_err(|e| e.or_at(node.place))).transpose()
    }
}

struct Pairs<'de> {
    entries: std::slice::Iter<'de, (Key, Node)>,
    value: Option<(&'de Key, &'de Node)>,
}

impl<'de> MapAccess<'de> for Pairs<'de> {
    type Error = Diagnostic;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some((key, value));
        seed.deserialize(KeyDecoder(key)).map(Some).map_err(|e| e.or_at(key.place))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        match self.value.take() {
            Some((key, node)) => seed.deserialize(Decoder(node)).map_err(|fault| {
                let fault = fault.or_at(node.place);
                // A mapping begins at its first key, which is not what lacks one.
                match fault.problem {
                    Problem::MissingKey { .. } if fault.place == Some(node.place) => {
                        Diagnostic { place: Some(key.place), ..fault }
                    }
                    _ => fault,
                }
            }),
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }
}

struct KeyDecoder<'de>(&'de Key);

impl<'de> Deserializer<'de> for KeyDecoder<'de> {
    type Error = Diagnostic;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(&self.0.text).map_err(|e: Diagnostic| e.or_at(self.0.place))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        let place = self.0.place;
        if name == LOCATED {
            visitor.visit_seq(WithPlace { place: Some(place), value: Some(self) })
        } else {
            visitor.visit_newtype_struct(self).map_err(|e: Diagnostic| e.or_at(place))
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Hands a [`super::Located`] its place, then its value.
struct WithPlace<D> {
    place: Option<Place>,
    value: Option<D>,
}

impl<'de, D: Deserializer<'de, Error = Diagnostic>> SeqAccess<'de> for WithPlace<D> {
    type Error = Diagnostic;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if let Some(place) = self.place.take() {
            return seed.deserialize(de::value::SeqDeserializer::new(place.to_parts().into_iter())).map(Some);
        }
        self.value.take().map(|value| seed.deserialize(value)).transpose()
    }
}
