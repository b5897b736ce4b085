//! JSON bodies as Graph's clients send them: property names in any case, enums in any case, unknown properties
//! ignored. A wrong type is refused by the name of its field.
//! It knows no particular resource.
//!
//! Always: a body with a name twice (in any case), nested too deep, or followed by more text is refused, so that no
//! two readers of one body can disagree about what it says.

use crate::http::problem::{Problem, shown};
use http::StatusCode;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};
use std::fmt;
use std::str::FromStr;
use writ_core::time::{Span, Time};

/// How deep a body may nest.
pub const DEPTH_MAX: usize = 24;

/// An object in a body, with the path by which it is called in messages.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    object: &'a Map<String, Json>,
    path: String,
}

/// A whole body: one JSON object.
#[derive(Clone, Debug)]
pub struct JsonBody(Map<String, Json>);

impl JsonBody {
    /// Reads a body. An empty one counts as an object without properties when `optional`.
    pub fn parse(bytes: &[u8], optional: bool) -> Result<Self, Problem> {
        if optional && bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(Map::new()));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(Problem::bad_request("Empty Payload. JSON content expected."));
        }
        match parse(bytes) {
            Ok(Json::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(Problem::bad_request("The request body must be one JSON object.")),
            Err(why) => Err(Problem::bad_request(format!(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid \
                 JSON format. What is wrong: {}.",
                shown(&why)
            ))),
        }
    }

    /// The body's fields.
    pub fn fields(&self) -> Fields<'_> {
        Fields { object: &self.0, path: String::new() }
    }
}

/// Strict JSON: see the module's *Always*.
pub fn parse(bytes: &[u8]) -> Result<Json, String> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut reader).map_err(|e| e.to_string())?;
    reader.end().map_err(|e| e.to_string())?;
    Ok(value)
}

impl<'a> Fields<'a> {
    /// Fields of a JSON object that came some other way, called by this path in messages.
    pub fn of(object: &'a Map<String, Json>, path: impl Into<String>) -> Self {
        Self { object, path: path.into() }
    }

    fn called(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }

    fn wrong(&self, name: &str, wanted: &str) -> Problem {
        Problem::bad_request(format!("The value of '{}' is not valid: it needs {wanted}.", shown(&self.called(name))))
    }

    /// The value of a property, if it is there and not null.
    pub fn value(&self, name: &str) -> Option<&'a Json> {
        let exact = self.object.get(name);
        let found = exact.or_else(|| self.object.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v));
        found.filter(|v| !v.is_null())
    }

    /// Whether the property is there at all, null included.
    pub fn has(&self, name: &str) -> bool {
        self.object.keys().any(|k| k.eq_ignore_ascii_case(name))
    }

    /// The names that are there.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.object.keys().map(String::as_str)
    }

    /// What is named here with a value beside these properties; annotations are not counted.
    pub fn beside(&self, kept: &[&str]) -> Vec<&'a str> {
        let annotates = |name: &str| name.contains('@') && !name.to_ascii_lowercase().ends_with("@odata.bind");
        let passes = |name: &str| annotates(name) || kept.iter().any(|k| k.eq_ignore_ascii_case(name));
        self.object.iter().filter(|(name, value)| !value.is_null() && !passes(name)).map(|(n, _)| n.as_str()).collect()
    }

    /// Refuses a change of nothing but what is not kept, which would otherwise look as if it had been made.
    pub fn changes_what_is_kept(&self, kept: &[&str]) -> Result<(), Problem> {
        let dropped = self.beside(kept);
        if dropped.is_empty() || kept.iter().any(|name| self.has(name)) {
            return Ok(());
        }
        let what = shown(&dropped.join(", "));
        let told = format!("'{what}' is not kept here, so nothing was changed. What can be: {}.", kept.join(", "));
        Err(Problem::new(StatusCode::BAD_REQUEST, "Request_BadRequest", told))
    }

    /// A text.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Json::String(t)) => Ok(Some(t)),
            Some(_) => Err(self.wrong(name, "a text")),
        }
    }

    /// A text that must be there and not blank.
    pub fn required(&self, name: &str) -> Result<&'a str, Problem> {
        match self.text(name)? {
            Some(t) if !t.trim().is_empty() => Ok(t),
            _ => {
                Err(Problem::bad_request(format!("A value is required for property '{}'.", shown(&self.called(name)))))
            }
        }
    }

    /// true or false.
    pub fn bool(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Json::Bool(b)) => Ok(Some(*b)),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    /// true or false, or one of these words as a text: Graph's PIM reads both, and its clients send both.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.value(name) {
            Some(Json::String(word)) if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Json::String(word)) if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
            _ => self.bool(name),
        }
    }

    /// A whole number that is not negative.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(v) => v.as_u64().map(Some).ok_or_else(|| self.wrong(name, "a whole number")),
        }
    }

    /// A value that is written as a text and read by its type; `wanted` says what is needed.
    pub fn read<T: FromStr>(&self, name: &str, wanted: &str) -> Result<Option<T>, Problem> {
        match self.text(name)? {
            None => Ok(None),
            Some(t) => t.parse().map(Some).map_err(|_| self.wrong(name, wanted)),
        }
    }

    /// An id.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.read(name, "a GUID")
    }

    /// An id that must be there.
    pub fn required_id<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.required(name)?;
        Ok(self.id(name)?).and_then(|id: Option<T>| id.ok_or_else(|| self.wrong(name, "a GUID")))
    }

    /// A moment.
    pub fn time(&self, name: &str) -> Result<Option<Time>, Problem> {
        match self.text(name)? {
            None => Ok(None),
            Some(t) => t.parse::<Time>().map(Some).map_err(|e| self.invalid(name, &e.to_string())),
        }
    }

    /// A length of time.
    pub fn span(&self, name: &str) -> Result<Option<Span>, Problem> {
        match self.text(name)? {
            None => Ok(None),
            Some(t) => t.parse::<Span>().map(Some).map_err(|e| self.invalid(name, &e.to_string())),
        }
    }

    fn invalid(&self, name: &str, why: &str) -> Problem {
        Problem::bad_request(format!("The value of '{}' is not valid: {why}.", shown(&self.called(name))))
    }

    /// An object.
    pub fn object(&self, name: &str) -> Result<Option<Fields<'a>>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Json::Object(map)) => Ok(Some(Fields { object: map, path: self.called(name) })),
            Some(_) => Err(self.wrong(name, "an object")),
        }
    }

    /// A list.
    pub fn list(&self, name: &str) -> Result<Option<&'a [Json]>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Json::Array(items)) => Ok(Some(items)),
            Some(_) => Err(self.wrong(name, "a list")),
        }
    }

    /// A list of objects.
    pub fn objects(&self, name: &str) -> Result<Option<Vec<Fields<'a>>>, Problem> {
        let Some(items) = self.list(name)? else { return Ok(None) };
        let each = items.iter().enumerate().map(|(i, item)| match item {
            Json::Object(map) => Ok(Fields { object: map, path: format!("{}[{i}]", self.called(name)) }),
            _ => Err(self.wrong(name, "a list of objects")),
        });
        each.collect::<Result<_, _>>().map(Some)
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, Problem> {
        let Some(items) = self.list(name)? else { return Ok(None) };
        let each = items.iter().map(|i| i.as_str().ok_or_else(|| self.wrong(name, "a list of texts")));
        each.collect::<Result<_, _>>().map(Some)
    }

    /// One of these words, in any case; the word as the list spells it.
    pub fn one_of<'w>(&self, name: &str, words: &'w [&'w str]) -> Result<Option<&'w str>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let found = words.iter().find(|w| w.eq_ignore_ascii_case(text.trim())).copied();
        found.map(Some).ok_or_else(|| self.wrong(name, &format!("one of {}", words.join(", "))))
    }
}

impl Fields<'_> {
    /// The object that `@odata.id` refers to, as `$ref` bodies have it.
    pub fn reference(&self) -> Result<uuid::Uuid, Problem> {
        id_in_reference(self.required("@odata.id")?)
    }
}

/// The id at the end of a reference: `https://…/v1.0/directoryObjects/{id}`, `…/users/{id}`, or `{id}` alone. The host
/// is not looked at: clients write the one they know.
pub fn id_in_reference(url: &str) -> Result<uuid::Uuid, Problem> {
    let last = url.trim_end_matches('/').rsplit('/').next().unwrap_or(url);
    uuid::Uuid::try_parse(last).map_err(|_| {
        Problem::bad_request(format!(
            "Invalid URL specified for @odata.id: '{}'. It ends with an object's id.",
            shown(url)
        ))
    })
}

/// Reads any JSON value, strictly.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format_args!("nested more than {DEPTH_MAX} levels deep")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Json, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Json, E> {
        Ok(Json::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Json, E> {
        Ok(Json::Number(v.into()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Json, E> {
        Ok(Json::Number(v.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Json, E> {
        Number::from_f64(v).map(Json::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }
    fn visit_str<E>(self, v: &str) -> Result<Json, E> {
        Ok(Json::String(v.to_owned()))
    }
    fn visit_string<E>(self, v: String) -> Result<Json, E> {
        Ok(Json::String(v))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut out = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            out.push(item);
        }
        Ok(Json::Array(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut out = Map::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(A::Error::custom(format_args!("the property '{}' is there twice", shown(&name))));
            }
            out.insert(name, map.next_value_seed(inner)?);
        }
        Ok(Json::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        JsonBody::parse(text.as_bytes(), false).expect_err(text).message().to_owned()
    }

    #[test]
    fn names_are_read_in_any_case_as_powershell_sends_them() {
        let body =
            JsonBody::parse(br#"{"PrincipalId":"x","scheduleinfo":{"Expiration":{"Type":"AfterDuration"}}}"#, false);
        let body = body.unwrap();
        assert_eq!(body.fields().text("principalId").unwrap(), Some("x"));
        let expiration = body.fields().object("scheduleInfo").unwrap().unwrap().object("expiration").unwrap().unwrap();
        let words = ["notSpecified", "afterDuration"];
        assert_eq!(expiration.one_of("type", &words).unwrap(), Some("afterDuration"));
    }

    #[test]
    fn a_name_twice_is_refused_in_any_case_and_at_any_depth() {
        for text in [r#"{"a":1,"a":2}"#, r#"{"action":"x","Action":"y"}"#, r#"{"a":[{"b":1,"B":2}]}"#] {
            assert!(refused(text).contains("twice"), "{text}");
        }
    }

    #[test]
    fn deep_trailing_and_other_texts_are_refused() {
        assert!(refused(&format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200))).contains("deep"));
        for text in ["", "[]", "1", "null", "{", r#"{"a":1}{"#, "{'a':1}", r#"{"a":1e999}"#, "\u{feff}{}x"] {
            refused(text);
        }
    }

    #[test]
    fn a_wrong_type_is_refused_by_the_name_of_its_field() {
        let body = JsonBody::parse(br#"{"a":{"b":7,"c":"1:00:00","d":"P6M"}}"#, false).unwrap();
        let a = body.fields().object("a").unwrap().unwrap();
        insta::assert_snapshot!(a.text("b").unwrap_err().message(), @"The value of 'a/b' is not valid: it needs a text.");
        insta::assert_snapshot!(a.span("c").unwrap_err().message(), @"The value of 'a/c' is not valid: a duration needs the ISO 8601 form, such as PT8H, PT30M or P30D.");
        insta::assert_snapshot!(a.span("d").unwrap_err().message(), @"The value of 'a/d' is not valid: years and months have no fixed length; give days, such as P365D.");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = JsonBody::parse(&bytes, false);
        }
    }
}
