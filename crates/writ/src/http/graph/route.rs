//! Which paths there are. Every resource lists its own; here a request's path finds its handler, or the first
//! segment that names nothing.
//!
//! Always: segments match in any case, as Graph's do; a more literal route wins over one with parameters.

use super::ask::{Answer, Ask};
use crate::http::problem::Problem;
use percent_encoding::percent_decode_str;
use std::future::Future;
use std::pin::Pin;

/// What a handler that changes something, or has to wait, returns.
pub type Later<'a> = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send + 'a>>;

/// A method that some route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// GET
    Get,
    /// POST
    Post,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

impl Verb {
    /// As HTTP writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
}

/// In which of Graph's versions a route exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// v1.0 and beta.
    Both,
    /// beta only.
    Beta,
}

/// What answers.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Answers from one frozen moment.
    Now(fn(&Ask) -> Result<Answer, Problem>),
    /// Has to wait for something.
    Later(for<'a> fn(&'a Ask) -> Later<'a>),
}

/// One method at one path.
#[derive(Clone, Copy)]
pub struct Route {
    /// The method.
    pub verb: Verb,
    /// The path below the version: literal segments, `{name}` for one segment, `name(parameter)` for a function or an
    /// alternate key, `name()` for a function without parameters.
    pub path: &'static str,
    /// Where it exists.
    pub versions: Versions,
    /// What answers.
    pub handler: Handler,
}

impl Route {
    fn in_version(&self, beta: bool) -> bool {
        beta || self.versions == Versions::Both
    }
    /// GET, from one frozen moment.
    pub const fn get(path: &'static str, handler: fn(&Ask) -> Result<Answer, Problem>) -> Self {
        Self { verb: Verb::Get, path, versions: Versions::Both, handler: Handler::Now(handler) }
    }
    /// GET, having to wait.
    pub const fn get_later(path: &'static str, handler: for<'a> fn(&'a Ask) -> Later<'a>) -> Self {
        Self { verb: Verb::Get, path, versions: Versions::Both, handler: Handler::Later(handler) }
    }
    /// POST
    pub const fn post(path: &'static str, handler: for<'a> fn(&'a Ask) -> Later<'a>) -> Self {
        Self { verb: Verb::Post, path, versions: Versions::Both, handler: Handler::Later(handler) }
    }
    /// PATCH
    pub const fn patch(path: &'static str, handler: for<'a> fn(&'a Ask) -> Later<'a>) -> Self {
        Self { verb: Verb::Patch, path, versions: Versions::Both, handler: Handler::Later(handler) }
    }
    /// DELETE
    pub const fn delete(path: &'static str, handler: for<'a> fn(&'a Ask) -> Later<'a>) -> Self {
        Self { verb: Verb::Delete, path, versions: Versions::Both, handler: Handler::Later(handler) }
    }
    /// The same, in beta only.
    pub const fn beta(self) -> Self {
        Self { versions: Versions::Beta, ..self }
    }
}

/// A route and what its parameters are in this request.
pub struct Found {
    /// The route.
    pub route: &'static Route,
    /// The parameters.
    pub parameters: Vec<(&'static str, String)>,
}

/// Cuts a raw path into decoded segments. A key in parentheses, as in `users('ana@contoso.com')`, is a segment too.
pub fn segments(raw: &str) -> Result<Vec<String>, Problem> {
    let mut out = Vec::new();
    for s in raw.split('/').filter(|s| !s.is_empty()) {
        if !s.bytes().any(|c| matches!(c, b'%' | b'\'')) {
            out.push(s.to_owned());
            continue;
        }
        let text = percent_decode_str(s).decode_utf8().map_err(|_| Problem::unknown_segment(s))?;
        let keyed = text.strip_suffix("')").and_then(|t| t.split_once("('"));
        match keyed {
            // A function's or an alternate key's parameter has a name: it stays where it is.
            Some((name, key)) if !name.is_empty() && !name.contains('(') => {
                // Inside quotes a quote is written twice.
                out.extend([name.to_owned(), key.replace("''", "'")]);
            }
            _ => out.push(text.into_owned()),
        }
    }
    Ok(out)
}

/// Routes by the number of their segments, cut once.
pub struct Table {
    all: Vec<&'static Route>,
    cut: Vec<Vec<(Vec<&'static str>, &'static Route)>>,
}

impl Table {
    /// A table of these routes.
    pub fn of(all: &[&'static [Route]]) -> Self {
        let all: Vec<&'static Route> = all.iter().copied().flatten().collect();
        let mut cut: Vec<Vec<(Vec<&'static str>, &'static Route)>> = Vec::new();
        for route in &all {
            let patterns: Vec<&'static str> = route.path.split('/').collect();
            let length = patterns.len();
            cut.resize_with(cut.len().max(length + 1), Vec::new);
            cut[length].push((patterns, *route));
        }
        Self { all, cut }
    }

    /// Finds the route for these segments, or says what is wrong with them.
    ///
    /// # Errors
    /// When no route is there, or none with this method.
    pub fn find(&self, beta: bool, verb: Option<Verb>, path: &[String]) -> Result<Found, Refused> {
        let mut best: Option<(usize, &'static Route)> = None;
        for (patterns, route) in self.cut.get(path.len()).into_iter().flatten() {
            if Some(route.verb) != verb || !route.in_version(beta) {
                continue;
            }
            let mut fits = patterns.iter().zip(path).map(|(pattern, segment)| fit(pattern, segment));
            let literal = fits.try_fold(0, |sum, fit| Some(sum + fit?.weight()));
            if let Some(literal) = literal
                && best.is_none_or(|(n, _)| literal > n)
            {
                best = Some((literal, *route));
            }
        }
        match best {
            Some((_, route)) => Ok(Found { route, parameters: parameters(route, path) }),
            None => Err(self.refused(beta, path)),
        }
    }

    /// Why there is no route: no path goes on with this segment, or another method is meant.
    fn refused(&self, beta: bool, path: &[String]) -> Refused {
        let (mut reached, mut allowed) = (0, Vec::new());
        for route in self.all.iter().filter(|route| route.in_version(beta)) {
            let mut patterns = route.path.split('/');
            let fits = path.iter().take_while(|s| patterns.next().is_some_and(|pattern| fit(pattern, s).is_some()));
            let matched = fits.count();
            if matched == path.len() && patterns.next().is_none() && !allowed.contains(&route.verb) {
                allowed.push(route.verb);
            }
            reached = reached.max(matched);
        }
        if !allowed.is_empty() {
            allowed.sort_unstable();
            return Refused::Method(allowed);
        }
        Refused::Segment(path.get(reached).or(path.last()).cloned().unwrap_or_default())
    }
}

/// What a route's parameters are in a path that fits it.
fn parameters(route: &'static Route, path: &[String]) -> Vec<(&'static str, String)> {
    let fits = route.path.split('/').zip(path).filter_map(|(pattern, segment)| match fit(pattern, segment)? {
        Fit::Literal => None,
        Fit::Function(name, value) => Some((name, value)),
        Fit::Parameter(name) => Some((name, segment.clone())),
    });
    fits.collect()
}

/// Why no route was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// This segment names nothing.
    Segment(String),
    /// The path is there, the method is not: these are.
    Method(Vec<Verb>),
}

enum Fit {
    Literal,
    Function(&'static str, String),
    Parameter(&'static str),
}

impl Fit {
    /// How much it counts when several routes fit: the more literal one wins.
    fn weight(&self) -> usize {
        match self {
            Fit::Literal => 2,
            Fit::Function(..) => 1,
            Fit::Parameter(_) => 0,
        }
    }
}

fn fit(pattern: &'static str, segment: &str) -> Option<Fit> {
    if let Some(name) = pattern.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
        // What begins with `$` is never an id; functions are not either.
        return (!segment.starts_with('$') && !segment.contains('(')).then_some(Fit::Parameter(name));
    }
    if let Some((function, parameter)) = pattern.strip_suffix(')').and_then(|p| p.split_once('(')) {
        let bare = match segment.get(.."microsoft.graph.".len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case("microsoft.graph.") => &segment[prefix.len()..],
            _ => segment,
        };
        if parameter.is_empty() {
            let bare = bare.strip_suffix("()").unwrap_or(bare);
            return bare.eq_ignore_ascii_case(function).then_some(Fit::Literal);
        }
        let (name, inner) = bare.strip_suffix(')')?.split_once('(')?;
        let (key, value) = inner.split_once('=')?;
        let value = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        let same = name.eq_ignore_ascii_case(function) && key.trim().eq_ignore_ascii_case(parameter);
        return same.then(|| Fit::Function(parameter, value.to_owned()));
    }
    pattern.eq_ignore_ascii_case(segment).then_some(Fit::Literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &[Route] = &[
        Route::get("me", |_| Ok(Answer::Nothing)),
        Route::get("things/{id}", |_| Ok(Answer::Nothing)),
        Route::get("things/filterByCurrentUser(on)", |_| Ok(Answer::Nothing)),
        Route::get("things/special", |_| Ok(Answer::Nothing)),
        Route::get("things/{id}/steps", |_| Ok(Answer::Nothing)).beta(),
        Route::get("things/delta()", |_| Ok(Answer::Nothing)),
    ];

    fn found(raw: &str, beta: bool) -> String {
        match Table::of(&[ROUTES]).find(beta, Some(Verb::Get), &segments(raw).unwrap()) {
            Ok(f) => format!("{} {:?}", f.route.path, f.parameters),
            Err(e) => format!("{e:?}"),
        }
    }

    #[test]
    fn paths_find_their_routes_in_every_spelling() {
        insta::assert_snapshot!([
            found("/ME", false), found("/things/special", false), found("/Things/a%2Fb", false),
            found("/things/filterByCurrentUser(on='principal')", false),
            found("/things/filterByCurrentUser(on=%27principal%27)", false),
            found("/things/microsoft.graph.filterByCurrentUser%28on%3D'approver'%29", false),
            found("/things/x/steps", true), found("/things/x/steps", false), found("/nothing/x", false), found("/", false),
            found("/things/delta", false), found("/things/microsoft.graph.delta()", false), found("/things/Delta()", false),
            found("/things('a''b')", false), found("/things(%27x%40y%27)", false),
            found("/things/$ref", false), found("/things/filterByCurrentUser(of='x')", false), found("/things", false),
        ].join("\n"), @r#"
        me []
        things/special []
        things/{id} [("id", "a/b")]
        things/filterByCurrentUser(on) [("on", "principal")]
        things/filterByCurrentUser(on) [("on", "principal")]
        things/filterByCurrentUser(on) [("on", "approver")]
        things/{id}/steps [("id", "x")]
        Segment("steps")
        Segment("nothing")
        Segment("")
        things/delta() []
        things/delta() []
        things/delta() []
        things/{id} [("id", "a'b")]
        things/{id} [("id", "x@y")]
        Segment("$ref")
        Segment("filterByCurrentUser(of='x')")
        Segment("things")
        "#);
    }

    #[test]
    fn another_method_is_another_answer() {
        let path = segments("/me").unwrap();
        assert_eq!(
            Table::of(&[ROUTES]).find(false, Some(Verb::Post), &path).err(),
            Some(Refused::Method(vec![Verb::Get]))
        );
        assert_eq!(Table::of(&[ROUTES]).find(false, None, &path).err(), Some(Refused::Method(vec![Verb::Get])));
    }
}
