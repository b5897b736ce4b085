//! Which properties Graph's types have, kept here or not: a body must not misspell one, and a script may choose one
//! that nothing is kept of. It knows names and nothing of values.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A property of one of Graph's types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// As Graph spells it.
    pub name: &'static str,
    /// Whether it is a list.
    pub many: bool,
    /// Whether it leads to other resources.
    pub link: bool,
}

type Types = HashMap<&'static str, HashMap<String, Declared>>;

/// The properties of each type, by their names in lower case: clients write them in any.
static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let mut all = Types::new();
    let mut current = "";
    for line in include_str!("properties.txt").lines().filter(|line| !line.starts_with('#')) {
        let rest = match line.split_once(':') {
            Some((name, rest)) => {
                current = name;
                rest
            }
            None => line,
        };
        let each = rest.split_whitespace().map(|word| {
            let (bare, many) = word.strip_suffix("[]").map_or((word, false), |bare| (bare, true));
            let (name, link) = bare.strip_suffix('>').map_or((bare, false), |name| (name, true));
            (name.to_ascii_lowercase(), Declared { name, many, link })
        });
        all.entry(current).or_default().extend(each);
    }
    all
});

/// The property of this name, in any case, that Graph gives a type of this name.
pub fn declared(of: &str, name: &str) -> Option<&'static Declared> {
    TYPES.get(of)?.get(&name.to_ascii_lowercase())
}

/// The type of this name, if its properties are known here.
pub fn type_named(name: &str) -> Option<&'static str> {
    TYPES.get_key_value(name).map(|(name, _)| *name)
}

/// The types that an `@odata.type` may name: those whose names begin so.
pub fn types_named(beginning: &str) -> impl Iterator<Item = &'static str> {
    TYPES.keys().copied().filter(move |name| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_links_are_told_from_texts() {
        let of = |name| declared("user", name).map(|d| (d.name, d.many, d.link));
        assert_eq!(of("JOBTITLE"), Some(("jobTitle", false, false)));
        assert_eq!(of("proxyAddresses"), Some(("proxyAddresses", true, false)));
        assert_eq!(of("manager"), Some(("manager", false, true)));
        assert_eq!(of("directReports"), Some(("directReports", true, true)));
        assert_eq!(of("nope"), None);
        assert_eq!(declared("nobody", "id"), None);
    }
}
