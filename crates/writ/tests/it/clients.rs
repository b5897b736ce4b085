//! What clients that were not made for Writ send, request by request, and what they read of the answers: the lines of
//! `clients.txt`, played in their order against one house. How they were learnt is said in docs/graph-clients.md.
//!
//! Always: a request goes out in the client's own encoding and with its own headers; what is listed below it is what
//! the client would fail without.

use crate::house::*;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// One line below a request.
enum Line {
    /// A header that the client sends.
    Header(String, String),
    /// The body that it sends.
    Body(String),
    /// The status that it takes for success, or for the refusal it knows.
    Answers(u16),
    /// A property that it reads, and what it takes it for.
    Has(String, String),
    /// A property that must have this value.
    Is(String, Json),
    /// Words that it looks for in the error's message.
    Says(String),
    /// A property that later requests name as `{name}`.
    Keeps(String, String),
}

struct Sent {
    line: usize,
    client: String,
    who: String,
    method: String,
    target: String,
    lines: Vec<Line>,
}

/// Reads `clients.txt`: `# client`, then `who METHOD target`, then what belongs to it, each line indented.
fn read(text: &str) -> Vec<Sent> {
    let (mut all, mut client) = (Vec::<Sent>::new(), String::new());
    for (n, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with("//") {
            continue;
        }
        if let Some(name) = line.strip_prefix("# ") {
            client = name.to_owned();
            continue;
        }
        let understood = match line.strip_prefix("    ") {
            Some(rest) => said(rest).zip(all.last_mut()).map(|(said, sent)| sent.lines.push(said)),
            None => request(line).map(|(who, method, target)| {
                all.push(Sent { line: n + 1, client: client.clone(), who, method, target, lines: Vec::new() });
            }),
        };
        assert!(understood.is_some(), "clients.txt, line {}, is not of the form that clients.rs reads: {line}", n + 1);
    }
    all
}

fn request(line: &str) -> Option<(String, String, String)> {
    let mut words = line.splitn(3, ' ').map(str::to_owned);
    Some((words.next()?, words.next()?, words.next()?))
}

fn said(line: &str) -> Option<Line> {
    let (word, rest) = line.split_once(' ')?;
    let pair = |by: &str| rest.split_once(by).map(|(a, b)| (a.to_owned(), b.to_owned()));
    Some(match word {
        "header" => pair(": ").map(|(name, value)| Line::Header(name, value))?,
        "body" => Line::Body(rest.to_owned()),
        "answers" => Line::Answers(rest.parse().ok()?),
        "has" => pair(" ").map(|(path, kind)| Line::Has(path, kind))?,
        "is" => pair(" ").and_then(|(path, value)| Some(Line::Is(path, serde_json::from_str(&value).ok()?)))?,
        "says" => Line::Says(rest.to_owned()),
        "keeps" => pair(" ").map(|(name, path)| Line::Keeps(name, path))?,
        _ => return None,
    })
}

/// Everything a path leads to: `value[].roleDefinition.displayName` is one for each row, `value[0].id` that of the first.
fn at<'j>(json: &'j Json, path: &str) -> Vec<&'j Json> {
    let mut found = vec![json];
    for step in path.replace("\\.", "\u{1}").split('.') {
        let step = step.replace('\u{1}', ".");
        let (name, index) = match step.split_once('[') {
            Some((name, index)) => (name.to_owned(), Some(index.trim_end_matches(']').to_owned())),
            None => (step, None),
        };
        let named = |j: &'j Json| if name.is_empty() { j } else { j.get(&name).unwrap_or(&Json::Null) };
        found = found.into_iter().map(named).collect();
        found = match index.as_deref() {
            None => found,
            Some("") => found.into_iter().flat_map(|j| j.as_array().into_iter().flatten()).collect(),
            // The item with this id, however many there are.
            Some(id) if id.parse::<usize>().is_err() => {
                found.into_iter().flat_map(|j| j.as_array().into_iter().flatten()).filter(|j| j["id"] == id).collect()
            }
            Some(n) => {
                let n: usize = n.parse().expect("an index");
                found.into_iter().map(|j| j.get(n).unwrap_or(&Json::Null)).collect()
            }
        };
    }
    found
}

/// Whether a value is of the type that the client takes it for. A `?` allows null.
fn is_a(kind: &str, value: &Json) -> bool {
    let (kind, or_null) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
    if value.is_null() {
        return or_null;
    }
    let text = value.as_str();
    match kind {
        "text" => text.is_some_and(|t| !t.is_empty()),
        "guid" => text.is_some_and(|t| uuid::Uuid::try_parse(t).is_ok()),
        // What DateTime.Parse, new Date and time.RFC3339 all read.
        "time" => text.is_some_and(|t| t.ends_with('Z') && t.parse::<writ_core::time::Time>().is_ok()),
        // What XmlConvert.ToTimeSpan and the regular expressions of the portals read.
        "span" => text.is_some_and(|t| t.starts_with('P') && t.parse::<writ_core::time::Span>().is_ok()),
        "bool" => value.is_boolean(),
        "number" => value.is_number(),
        "list" => value.is_array(),
        "object" => value.is_object(),
        "https" => text.is_some_and(|t| t.starts_with("http")),
        other => panic!("clients.txt: no kind '{other}'"),
    }
}

fn filled(text: &str, known: &BTreeMap<String, String>) -> String {
    known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[tokio::test]
async fn clients_get_from_writ_what_they_read() {
    let house = House::unmetered().await;
    let mut people = BTreeMap::new();
    for (name, id) in [("dana", DANA), ("ana", ANA), ("ben", BEN), ("carla", CARLA), ("eve", EVE)] {
        people.insert(name, house.signed_in(id).await);
    }
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for (name, id) in
        [("dana", DANA), ("ana", ANA), ("ben", BEN), ("carla", CARLA), ("eve", EVE), ("security", SECURITY)]
    {
        known.insert(name.into(), id.to_string());
    }
    known.insert("tenant".into(), TENANT.to_string());
    known.insert("finance".into(), FINANCE.to_string());
    known.insert("root".into(), ROOT.to_string());
    // Both Global Reader and User Administrator are in every directory.
    known.insert("reader".into(), "f2ef992c-3afb-46b9-b7cf-a126ee74c451".into());
    known.insert("useradmin".into(), "fe930be7-5e62-47db-91af-98c3a49a38b1".into());
    let at_clock = |known: &mut BTreeMap<String, String>| {
        known.insert("now".into(), house.engine.now().to_string());
    };
    let mut failed = Vec::new();
    for sent in read(include_str!("clients.txt")) {
        at_clock(&mut known);
        let (mut headers, mut body, mut status) = (Vec::new(), String::new(), 200);
        for line in &sent.lines {
            match line {
                Line::Header(name, value) => headers.push((name.as_str(), value.as_str())),
                Line::Body(text) => body = filled(text, &known),
                Line::Answers(n) => status = *n,
                _ => {}
            }
        }
        if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("Content-Type", "application/json"));
        }
        let who = people.get(sent.who.as_str()).unwrap_or_else(|| panic!("clients.txt, line {}: who?", sent.line));
        let target = filled(&sent.target, &known);
        let reply = who.send_with(&headers, &sent.method, &target, body).await;
        let mut complain = |what: String| {
            failed.push(format!(
                "line {}, {}: {} {target}\n  {what}\n  {}",
                sent.line, sent.client, sent.method, reply.text
            ));
        };
        if reply.status.as_u16() != status {
            complain(format!("answers {} instead of {status}", reply.status));
            continue;
        }
        let json: Json = if reply.text.is_empty() { json!(Map::new()) } else { reply.json() };
        for line in &sent.lines {
            match line {
                Line::Has(path, kind) => {
                    let values = at(&json, &filled(path, &known));
                    if values.is_empty() || !values.iter().all(|v| is_a(kind, v)) {
                        complain(format!("{path} is not {kind}: {values:?}"));
                    }
                }
                Line::Is(path, wanted) => {
                    let wanted: Json = serde_json::from_str(&filled(&wanted.to_string(), &known)).expect("JSON");
                    let values = at(&json, &filled(path, &known));
                    if values.is_empty() || !values.iter().all(|v| **v == wanted) {
                        complain(format!("{path} is not {wanted}: {values:?}"));
                    }
                }
                Line::Says(words) if !json["error"]["message"].as_str().is_some_and(|m| m.contains(words.as_str())) => {
                    complain(format!("the message does not say '{words}'"));
                }
                Line::Keeps(name, path) => match at(&json, &filled(path, &known)).first().and_then(|v| v.as_str()) {
                    Some(value) => drop(known.insert(name.clone(), value.to_owned())),
                    None => complain(format!("{path} is not there")),
                },
                _ => {}
            }
        }
    }
    assert!(failed.is_empty(), "{} fail\n\n{}", failed.len(), failed.join("\n\n"));
}
