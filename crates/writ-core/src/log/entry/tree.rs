//! A value on its way from its type to the bytes: what `serde_json::Value` would be, in two stores instead of one
//! allocation for each name, text and object.
//! It writes nothing; `sealing` does.
//!
//! Always: the fields of an object are in the order of their names; what is exactly a personal text is one, and every
//! other field whose name begins with our mark has one more of it.

use super::{ABOUT, MARK, TEXT, as_spelt};
use crate::ids::PrincipalId;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::ops::Range;
use serde::Serialize;
use serde::ser::{self, Error as _, Serializer};

/// Why serialising failed; no event's does.
type Failed = serde_json::Error;

/// A place in one of the tree's two stores.
type Place = Range<usize>;

/// One value.
#[derive(Clone)]
pub(super) enum Part {
    /// `null`, `true` or `false`.
    Word(&'static str),
    /// Digits.
    Number(Place),
    /// A text, not yet escaped.
    Text(Place),
    Array(Place),
    Object(Place),
    /// Exactly what `Personal` writes; without a text, it was erased.
    Personal(PrincipalId, Option<Place>),
}

/// A field's name.
#[derive(Clone)]
pub(super) enum Name {
    /// As its type declares it; empty for an item of an array.
    Known(&'static str),
    Given(Place),
}

#[derive(Default)]
pub(super) struct Tree {
    texts: String,
    /// The fields or items of everything that is whole, those of one object or array in a row.
    whole: Vec<(Name, Part)>,
    /// Those of what is still being read, the innermost last.
    unfinished: Vec<(Name, Part)>,
}

impl Tree {
    /// Makes it as new, but for the memory that it has.
    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.whole.clear();
        self.unfinished.clear();
    }

    pub(super) fn text(&self, place: &Place) -> &str {
        &self.texts[place.clone()]
    }

    pub(super) fn parts(&self, place: &Place) -> &[(Name, Part)] {
        &self.whole[place.clone()]
    }

    pub(super) fn name<'a>(&'a self, name: &'a Name) -> &'a str {
        named(&self.texts, name)
    }

    fn keep(&mut self, text: &str) -> Place {
        let begin = self.texts.len();
        self.texts.push_str(text);
        begin..self.texts.len()
    }

    fn shown(&mut self, value: impl fmt::Display) -> Result<Place, Failed> {
        let begin = self.texts.len();
        write!(self.texts, "{value}").map_err(Failed::custom)?;
        Ok(begin..self.texts.len())
    }

    fn finish(&mut self, begin: usize) -> Place {
        let from = self.whole.len();
        self.whole.extend(self.unfinished.drain(begin..));
        from..self.whole.len()
    }

    fn object(&mut self, begin: usize) -> Part {
        let Tree { texts, unfinished, .. } = self;
        let fields = &mut unfinished[begin..];
        fields.sort_unstable_by(|(one, _), (other, _)| named(texts, one).cmp(named(texts, other)));
        if let Some(personal) = personal(texts, fields) {
            unfinished.truncate(begin);
            return personal;
        }
        for (name, _) in fields {
            if named(texts, name).starts_with(MARK) {
                let marked = alloc::format!("{MARK}{}", named(texts, name));
                *name = Name::Given(texts.len()..texts.len() + marked.len());
                texts.push_str(&marked);
            }
        }
        Part::Object(self.finish(begin))
    }

    fn begin(&mut self, variant: Option<&'static str>) -> Unfinished<'_> {
        Unfinished { begin: self.unfinished.len(), tree: self, variant, name: None }
    }

    /// What a variant with content is: an object of one field.
    fn variant(&mut self, variant: &'static str, content: Part) -> Part {
        let begin = self.unfinished.len();
        self.unfinished.push((Name::Known(variant), content));
        self.object(begin)
    }
}

fn named<'a>(texts: &'a str, name: &'a Name) -> &'a str {
    match name {
        Name::Known(name) => name,
        Name::Given(place) => &texts[place.clone()],
    }
}

/// The personal text that these fields are, if they are exactly one.
fn personal(texts: &str, fields: &[(Name, Part)]) -> Option<Part> {
    let [(about, Part::Text(id)), (name, text)] = fields else { return None };
    if (named(texts, about), named(texts, name)) != (ABOUT, TEXT) {
        return None;
    }
    let about = as_spelt(&texts[id.clone()])?;
    match text {
        Part::Text(text) => Some(Part::Personal(about, Some(text.clone()))),
        Part::Word("null") => Some(Part::Personal(about, None)),
        _ => None,
    }
}

/// An array or object that is still being read.
pub(super) struct Unfinished<'a> {
    tree: &'a mut Tree,
    begin: usize,
    variant: Option<&'static str>,
    name: Option<Name>,
}

impl Unfinished<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, name: Name, value: &T) -> Result<(), Failed> {
        let part = value.serialize(&mut *self.tree)?;
        self.tree.unfinished.push((name, part));
        Ok(())
    }

    fn array(self) -> Part {
        let whole = Part::Array(self.tree.finish(self.begin));
        self.within(whole)
    }

    fn object(self) -> Part {
        let whole = self.tree.object(self.begin);
        self.within(whole)
    }

    fn within(self, whole: Part) -> Part {
        match self.variant {
            Some(variant) => self.tree.variant(variant, whole),
            None => whole,
        }
    }
}

macro_rules! numbers {
    ($($method:ident: $type:ty),+) => {$(
        fn $method(self, value: $type) -> Result<Part, Failed> {
            Ok(Part::Number(self.shown(value)?))
        }
    )+};
}

impl<'a> Serializer for &'a mut Tree {
    type Ok = Part;
    type Error = Failed;
    type SerializeSeq = Unfinished<'a>;
    type SerializeTuple = Unfinished<'a>;
    type SerializeTupleStruct = Unfinished<'a>;
    type SerializeTupleVariant = Unfinished<'a>;
    type SerializeMap = Unfinished<'a>;
    type SerializeStruct = Unfinished<'a>;
    type SerializeStructVariant = Unfinished<'a>;

    numbers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64);
    numbers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);

    fn serialize_bool(self, value: bool) -> Result<Part, Failed> {
        Ok(Part::Word(if value { "true" } else { "false" }))
    }
    fn serialize_f32(self, value: f32) -> Result<Part, Failed> {
        self.serialize_f64(value.into())
    }
    fn serialize_f64(self, value: f64) -> Result<Part, Failed> {
        // No event has one so far: the shortest digits that read back the same are left to who knows them.
        Ok(Part::Number(self.keep(&serde_json::to_string(&value)?)))
    }
    fn serialize_char(self, value: char) -> Result<Part, Failed> {
        self.collect_str(&value)
    }
    fn serialize_str(self, value: &str) -> Result<Part, Failed> {
        Ok(Part::Text(self.keep(value)))
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<Part, Failed> {
        Ok(Part::Text(self.shown(value)?))
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<Part, Failed> {
        self.collect_seq(value)
    }
    fn serialize_none(self) -> Result<Part, Failed> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Part, Failed> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Part, Failed> {
        Ok(Part::Word("null"))
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Part, Failed> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Part, Failed> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Part, Failed> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Part, Failed> {
        let content = value.serialize(&mut *self)?;
        Ok(self.variant(variant, content))
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Unfinished<'a>, Failed> {
        Ok(self.begin(None))
    }
    fn serialize_tuple(self, _: usize) -> Result<Unfinished<'a>, Failed> {
        Ok(self.begin(None))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Unfinished<'a>, Failed> {
        Ok(self.begin(None))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Unfinished<'a>, Failed> {
        Ok(self.begin(Some(variant)))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Unfinished<'a>, Failed> {
        Ok(self.begin(None))
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Unfinished<'a>, Failed> {
        Ok(self.begin(None))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Unfinished<'a>, Failed> {
        Ok(self.begin(Some(variant)))
    }
}

macro_rules! arrays {
    ($($trait:ident: $method:ident),+) => {$(
        impl ser::$trait for Unfinished<'_> {
            type Ok = Part;
            type Error = Failed;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
                self.add(Name::Known(""), value)
            }
            fn end(self) -> Result<Part, Failed> {
                Ok(self.array())
            }
        }
    )+};
}
arrays!(SerializeSeq: serialize_element, SerializeTuple: serialize_element);
arrays!(SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field);

macro_rules! structs {
    ($($trait:ident),+) => {$(
        impl ser::$trait for Unfinished<'_> {
            type Ok = Part;
            type Error = Failed;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Failed> {
                self.add(Name::Known(name), value)
            }
            fn end(self) -> Result<Part, Failed> {
                Ok(self.object())
            }
        }
    )+};
}
structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Unfinished<'_> {
    type Ok = Part;
    type Error = Failed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), Failed> {
        // As in JSON anywhere: a number or a word in the place of a name stands there as a text.
        self.name = Some(match name.serialize(&mut *self.tree)? {
            Part::Text(place) | Part::Number(place) => Name::Given(place),
            Part::Word(word) => Name::Known(word),
            Part::Array(_) | Part::Object(_) | Part::Personal(..) => {
                return Err(Failed::custom("a field's name is a text"));
            }
        });
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        let name = self.name.take().ok_or_else(|| Failed::custom("a field has a name before its value"))?;
        self.add(name, value)
    }
    fn end(self) -> Result<Part, Failed> {
        Ok(self.object())
    }
}
