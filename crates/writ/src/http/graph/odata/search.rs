//! `$search` as Graph offers it for directory objects: `"displayName:ana"`, joined with AND and OR. A term matches
//! where a word begins. It becomes a filter and is evaluated like one.

use super::filter::{Filter, Like, Path};
use super::{Entity, Kind};
use crate::http::problem::{Problem, shown};

/// How many terms a search may have.
pub const TERMS_MAX: usize = 20;

/// Reads a search on rows of this entity.
pub fn parse(text: &str, entity: &'static Entity) -> Result<Filter, Problem> {
    let wrong = || {
        Problem::bad_request(format!(
            "Invalid $search: '{}'. A term reads like \"displayName:ana\", in double quotes, joined with AND or OR.",
            shown(text)
        ))
    };
    let mut any: Vec<Vec<Filter>> = vec![Vec::new()];
    let mut rest = text.trim();
    let mut terms = 0;
    loop {
        let body = rest.strip_prefix('"').ok_or_else(wrong)?;
        let end = body.find('"').ok_or_else(wrong)?;
        let (name, words) = body[..end].split_once(':').ok_or_else(wrong)?;
        let unsearched = |name: &str| {
            let of = entity.told();
            Problem::unsupported_query(format!("Searching '{}' of resource '{of}' is not supported.", shown(name)))
        };
        let property = entity.property(name.trim()).ok_or_else(|| match entity.declared(name.trim()) {
            Some(found) => unsearched(found.name),
            None => super::parse::unknown(entity, name.trim()),
        })?;
        if !property.filter || property.kind != Kind::Text {
            return Err(unsearched(property.name));
        }
        let term = Filter::Like(Path::to(property.name, Kind::Text), Like::Word, words.trim().to_lowercase());
        if let Some(all) = any.last_mut() {
            all.push(term);
        }
        terms += 1;
        if terms > TERMS_MAX {
            return Err(Problem::bad_request(format!("A $search may have at most {TERMS_MAX} terms.")));
        }
        rest = body[end + 1..].trim_start();
        if rest.is_empty() {
            break;
        }
        rest = if let Some(more) = rest.strip_prefix("AND ") {
            more.trim_start()
        } else if let Some(more) = rest.strip_prefix("OR ") {
            any.push(Vec::new());
            more.trim_start()
        } else {
            return Err(wrong());
        };
    }
    let mut parts: Vec<Filter> =
        any.into_iter().map(|mut all| if all.len() == 1 { all.remove(0) } else { Filter::And(all) }).collect();
    Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
}
