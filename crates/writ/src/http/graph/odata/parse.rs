//! Reads the text of a `$filter` into a tree, checked against the properties of what is listed.
//! It evaluates nothing.
//!
//! Always: length, depth and size are bounded before anything is built, so no text can exhaust stack or memory; what
//! cannot be read is answered with the place where reading stopped.

use super::filter::{COUNT, Filter, Like, Literal, Op, Path};
use super::lex::{Token, What, tokens};
use super::{Entity, Kind, Link, Property};
use crate::http::problem::{Problem, shown};

/// The longest text of a filter, in bytes.
pub const LENGTH_MAX: usize = 8 * 1024;
/// How deep parentheses, `not` and lambdas may nest.
pub const DEPTH_MAX: usize = 16;
/// Functions that OData has and Graph offers for nothing that is listed here, or that nothing listed here needs.
const FUNCTIONS: &[&str] = &[
    "cast",
    "ceiling",
    "concat",
    "date",
    "day",
    "floor",
    "fractionalseconds",
    "hour",
    "indexof",
    "length",
    "maxdatetime",
    "mindatetime",
    "minute",
    "month",
    "now",
    "round",
    "second",
    "substring",
    "time",
    "totaloffsetminutes",
    "totalseconds",
    "trim",
    "year",
];
/// How many conditions a filter may have.
pub const NODES_MAX: usize = 200;

impl Filter {
    /// Reads a filter on rows of this entity; says what is wrong and where.
    pub fn parse(text: &str, entity: &'static Entity) -> Result<Filter, Problem> {
        if text.len() > LENGTH_MAX {
            return Err(Problem::bad_request(format!("A $filter may have at most {LENGTH_MAX} bytes.")));
        }
        let tokens = tokens(text).map_err(|at| syntax(at, text))?;
        let mut parser = Parser { text, tokens, next: 0, depth: 0, nodes: 0, entity, item: Vec::new() };
        let filter = parser.either()?;
        match parser.peek() {
            None => Ok(filter),
            Some(t) => Err(syntax(t.at, text)),
        }
    }
}

/// Graph's words for a filter that cannot be read.
fn syntax(at: usize, text: &str) -> Problem {
    Problem::bad_request(format!(
        "Invalid filter clause: Syntax error at position {at} in '{}'. A condition reads like \
         displayName eq 'Global Reader' or startswith(displayName,'Glo').",
        shown(text)
    ))
}

/// A lambda's variable and what its items are.
struct Item {
    name: String,
    kind: &'static Kind,
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    nodes: usize,
    entity: &'static Entity,
    item: Vec<Item>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn wrong<T>(&self) -> Result<T, Problem> {
        Err(syntax(self.peek().map_or(self.text.len(), |t| t.at), self.text))
    }

    fn eat(&mut self, what: &What) -> Result<(), Problem> {
        if self.peek().is_some_and(|t| t.what == *what) {
            self.next += 1;
            return Ok(());
        }
        self.wrong()
    }

    fn word(&self) -> Option<&str> {
        match self.peek() {
            Some(Token { what: What::Name(n), .. }) => Some(n),
            _ => None,
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        let found = self.word().is_some_and(|w| w.eq_ignore_ascii_case(word));
        if found {
            self.next += 1;
        }
        found
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        if self.depth == DEPTH_MAX {
            return Err(Problem::bad_request(format!("A $filter may nest at most {DEPTH_MAX} levels deep.")));
        }
        self.depth += 1;
        let out = inner(self);
        self.depth -= 1;
        out
    }

    fn node(&mut self) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Problem::bad_request(format!("A $filter may have at most {NODES_MAX} conditions.")));
        }
        Ok(())
    }

    fn either(&mut self) -> Result<Filter, Problem> {
        let mut parts = vec![self.both()?];
        while self.keyword("or") {
            if !self.entity.or {
                return Err(Problem::unsupported_query("Or operator not supported for this entity set."));
            }
            parts.push(self.both()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn both(&mut self) -> Result<Filter, Problem> {
        let mut parts = vec![self.condition()?];
        while self.keyword("and") {
            parts.push(self.condition()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    fn condition(&mut self) -> Result<Filter, Problem> {
        self.node()?;
        if self.keyword("not") {
            return self.deeper(|p| Ok(Filter::Not(Box::new(p.condition()?))));
        }
        if self.peek().is_some_and(|t| t.what == What::Open) {
            return self.deeper(|p| {
                p.next += 1;
                let inner = p.either()?;
                p.eat(&What::Close)?;
                Ok(inner)
            });
        }
        if self.word().is_some_and(|w| w.eq_ignore_ascii_case("isof"))
            && self.tokens.get(self.next + 1).is_some_and(|t| t.what == What::Open)
        {
            return self.is_of();
        }
        let like = match self.word().map(str::to_ascii_lowercase).as_deref() {
            Some("startswith") => Some(Like::Starts),
            Some("endswith") => Some(Like::Ends),
            Some("contains") => Some(Like::Contains),
            _ => None,
        };
        if let Some(like) = like
            && self.tokens.get(self.next + 1).is_some_and(|t| t.what == What::Open)
        {
            return self.like(like);
        }
        self.comparison()
    }

    /// `startswith(path,'text')`, optionally followed by `eq true` or `eq false`.
    fn like(&mut self, like: Like) -> Result<Filter, Problem> {
        self.next += 2;
        let path = self.path()?;
        self.eat(&What::Comma)?;
        let text = match self.peek() {
            Some(Token { what: What::Text(t), .. }) => t.to_lowercase(),
            _ => return self.wrong(),
        };
        self.next += 1;
        self.eat(&What::Close)?;
        if !matches!(path.kind, Kind::Text | Kind::Id) {
            return Err(mistyped(&path, "a text"));
        }
        let filter = Filter::Like(path, like, text);
        if self.keyword("eq") {
            if self.keyword("true") {
                return Ok(filter);
            }
            if self.keyword("false") {
                return Ok(Filter::Not(Box::new(filter)));
            }
            return self.wrong();
        }
        Ok(filter)
    }

    /// `isof('microsoft.graph.user')` of the row itself, `isof(principal,'microsoft.graph.user')` of what a link leads to.
    fn is_of(&mut self) -> Result<Filter, Problem> {
        self.next += 2;
        let (mut link, mut among) = (None, self.entity);
        if let Some(name) = self.word().map(str::to_owned) {
            let found = self.entity.link(&name).filter(|l| !l.many && self.item.is_empty());
            let found = found.ok_or_else(|| unknown(self.entity, &name))?;
            (link, among) = (Some(found.name), found.to);
            self.next += 1;
            self.eat(&What::Comma)?;
        }
        let Some(Token { what: What::Text(text), .. }) = self.peek().cloned() else { return self.wrong() };
        self.next += 1;
        self.eat(&What::Close)?;
        let bare = text.strip_prefix("microsoft.graph.").unwrap_or(&text);
        let found =
            std::iter::once(among).chain(among.special.iter().copied()).find(|e| e.name.eq_ignore_ascii_case(bare));
        let of = found.ok_or_else(|| Problem::bad_request(format!("No '{}' can be there.", shown(&text))))?;
        Ok(Filter::Is(link, of.name))
    }

    fn comparison(&mut self) -> Result<Filter, Problem> {
        let starts_with_literal = !matches!(self.peek(), Some(Token { what: What::Name(n), .. })
            if !["null", "true", "false"].contains(&n.to_ascii_lowercase().as_str()));
        if starts_with_literal {
            let raw = self.raw()?;
            let op = self.op()?;
            let path = self.path()?;
            return compare(path, op.flipped(), &raw);
        }
        let path = self.path()?;
        if let Some(word) = self.lambda_word() {
            return self.lambda(path, &word);
        }
        if self.keyword("in") {
            self.eat(&What::Open)?;
            let mut values = Vec::new();
            loop {
                self.node()?;
                let raw = self.raw()?;
                values.push(typed(&path, &raw)?);
                if self.peek().is_some_and(|t| t.what == What::Comma) {
                    self.next += 1;
                    continue;
                }
                self.eat(&What::Close)?;
                return Ok(Filter::In(path, values));
            }
        }
        if matches!(path.kind, Kind::Bool)
            && self.peek().is_none_or(|t| {
                t.what == What::Close
                    || matches!(&t.what, What::Name(n) if n.eq_ignore_ascii_case("and") || n.eq_ignore_ascii_case("or"))
            })
        {
            return Ok(Filter::Compare(path, Op::Eq, Literal::Bool(true)));
        }
        let op = self.op()?;
        let raw = self.raw()?;
        compare(path, op, &raw)
    }

    fn op(&mut self) -> Result<Op, Problem> {
        for (word, op) in
            [("eq", Op::Eq), ("ne", Op::Ne), ("gt", Op::Gt), ("ge", Op::Ge), ("lt", Op::Lt), ("le", Op::Le)]
        {
            if self.keyword(word) {
                return Ok(op);
            }
        }
        if self.word().is_some_and(|w| w.eq_ignore_ascii_case("has")) {
            return Err(Problem::unsupported_query(
                "Unsupported Query. 'has' is for sets of flags, and nothing here is one; compare with eq or in.",
            ));
        }
        self.wrong()
    }

    /// `any` or `all` when the path just read ended with it: `targetResources/any(…)`.
    fn lambda_word(&self) -> Option<String> {
        let before = |back: usize| self.next.checked_sub(back).and_then(|i| self.tokens.get(i)).map(|t| &t.what);
        match (before(1), self.peek().map(|t| &t.what)) {
            (Some(What::Name(n)), Some(What::Open)) => {
                Some(n.to_ascii_lowercase()).filter(|n| n == "any" || n == "all")
            }
            _ => None,
        }
    }

    fn lambda(&mut self, path: Path, word: &str) -> Result<Filter, Problem> {
        let Kind::List(item) = path.kind else { return self.wrong() };
        self.eat(&What::Open)?;
        if word == "any" && self.peek().is_some_and(|t| t.what == What::Close) {
            self.next += 1;
            return Ok(Filter::Any(path, None));
        }
        let Some(name) = self.word().map(str::to_owned) else { return self.wrong() };
        self.next += 1;
        self.eat(&What::Colon)?;
        self.item.push(Item { name, kind: item });
        let inner = self.deeper(Self::either)?;
        self.item.pop();
        self.eat(&What::Close)?;
        let inner = Box::new(inner);
        Ok(if word == "any" { Filter::Any(path, Some(inner)) } else { Filter::All(path, inner) })
    }

    /// A path, resolved against the entity or, in a lambda, against its variable. Stops before `any` or `all`
    /// only after having read the word, so that `lambda_word` sees it. Texts compare without case anyway, so
    /// `tolower(path)` is the path.
    fn path(&mut self) -> Result<Path, Problem> {
        let Some(first) = self.word().map(str::to_owned) else { return self.wrong() };
        self.next += 1;
        if !["tolower", "toupper"].iter().any(|f| first.eq_ignore_ascii_case(f)) {
            self.no_function(&first)?;
        }
        if ["tolower", "toupper"].iter().any(|f| first.eq_ignore_ascii_case(f))
            && self.peek().is_some_and(|t| t.what == What::Open)
        {
            return self.deeper(|p| {
                p.next += 1;
                let path = p.path()?;
                p.eat(&What::Close)?;
                if path.kind == Kind::Text { Ok(path) } else { Err(mistyped(&path, "a text")) }
            });
        }
        let (mut steps, mut link) = (Vec::new(), None);
        let mut kind = match self.item.last() {
            Some(item) if item.name == first => item.kind.clone(),
            Some(item) => {
                return Err(Problem::unsupported_query(format!(
                    "Inside any(…) and all(…), a path begins with the variable '{}'.",
                    shown(&item.name)
                )));
            }
            None => {
                let property = match self.entity.property(&first) {
                    Some(_) => named(self.entity, &first)?,
                    None => {
                        let found = self.entity.link(&first).ok_or_else(|| match self.entity.declared(&first) {
                            Some(declared) => unfiltered(self.entity, declared.name),
                            None => unknown(self.entity, &first),
                        })?;
                        if found.many {
                            return self.number_of(found);
                        }
                        link = Some(found.name);
                        self.beyond(found.to)?
                    }
                };
                steps.push(property.name);
                property.kind.clone()
            }
        };
        while self.peek().is_some_and(|t| t.what == What::Slash) {
            self.next += 1;
            let Some(step) = self.word().map(str::to_owned) else { return self.wrong() };
            self.next += 1;
            let fields = match &kind {
                Kind::Object(fields) => fields,
                Kind::List(_) if step.eq_ignore_ascii_case("any") || step.eq_ignore_ascii_case("all") => {
                    return Ok(Path { link, steps, kind });
                }
                Kind::List(_) if step == COUNT => {
                    steps.push(COUNT);
                    kind = Kind::Int;
                    continue;
                }
                _ => return Err(unknown(self.entity, &step)),
            };
            let field = fields.iter().find(|p| p.name.eq_ignore_ascii_case(&step));
            let field = field.ok_or_else(|| unknown(self.entity, &step))?;
            if !field.filter {
                return Err(unfiltered(self.entity, field.name));
            }
            steps.push(field.name);
            kind = field.kind.clone();
        }
        Ok(Path { link, steps, kind })
    }

    /// How many resources a link leads to; there is nothing else that a filter may ask of several.
    fn number_of(&mut self, link: &Link) -> Result<Path, Problem> {
        let what = |back: usize| self.tokens.get(self.next + back).map(|t| &t.what);
        let counts = matches!((what(0), what(1)), (Some(What::Slash), Some(What::Name(n))) if n == COUNT);
        if !counts || !link.counted {
            return Err(Problem::unsupported_query(format!(
                "Unsupported Query. What '{}' leads to can be listed by its own path or brought along with $expand; \
                 here a filter may ask only how many owners there are: owners/$count eq 0.",
                link.name
            )));
        }
        self.next += 2;
        Ok(Path { link: Some(link.name), steps: vec![COUNT], kind: Kind::Int })
    }

    /// Refuses a name that is followed by an opening parenthesis, so that it can only be a function that is not offered.
    fn no_function(&self, name: &str) -> Result<(), Problem> {
        if self.peek().is_none_or(|t| t.what != What::Open) {
            return Ok(());
        }
        if FUNCTIONS.iter().any(|f| name.eq_ignore_ascii_case(f)) {
            return Err(Problem::unsupported_query(format!(
                "Unsupported Query. '{}' is not offered in a filter; startswith, endswith, contains and tolower are.",
                shown(name)
            )));
        }
        Err(Problem::bad_request(format!(
            "Invalid filter clause: An unknown function with name '{}' was found. This may also be a function import or \
             a key lookup on a navigation property, which is not allowed.",
            shown(name)
        )))
    }

    /// The property of what a link leads to; the path may say of which type that is: `microsoft.graph.user`.
    fn beyond(&mut self, to: &'static Entity) -> Result<&'static Property, Problem> {
        let mut to = to;
        loop {
            self.eat(&What::Slash)?;
            let Some(step) = self.word().map(str::to_owned) else { return self.wrong() };
            self.next += 1;
            match step.strip_prefix("microsoft.graph.") {
                None => return named(to, &step),
                Some(name) => {
                    let cast = to.special.iter().find(|e| e.name.eq_ignore_ascii_case(name));
                    to = cast.ok_or_else(|| unknown(to, &step))?;
                }
            }
        }
    }

    /// A literal as written.
    fn raw(&mut self) -> Result<What, Problem> {
        let Some(token) = self.peek().cloned() else { return self.wrong() };
        self.next += 1;
        match token.what {
            What::Name(n) if ["null", "true", "false"].contains(&n.to_ascii_lowercase().as_str()) => {
                Ok(What::Name(n.to_ascii_lowercase()))
            }
            // duration'PT8H', and enum values with their type's name: microsoft.graph.x'member'
            What::Name(n) if n.eq_ignore_ascii_case("duration") || n.contains('.') => match self.peek().cloned() {
                Some(Token { what: What::Text(t), .. }) => {
                    self.next += 1;
                    Ok(What::Text(t))
                }
                _ => self.wrong(),
            },
            What::Name(n) if self.peek().is_some_and(|t| t.what == What::Open) => {
                self.no_function(&n)?;
                self.wrong()
            }
            what @ (What::Text(_) | What::Guid(_) | What::Time(_) | What::Int(_) | What::Float(_)) => Ok(what),
            _ => {
                self.next -= 1;
                self.wrong()
            }
        }
    }
}

impl Op {
    /// The operator when the two sides change places.
    fn flipped(self) -> Op {
        match self {
            Op::Gt => Op::Lt,
            Op::Ge => Op::Le,
            Op::Lt => Op::Gt,
            Op::Le => Op::Ge,
            same => same,
        }
    }
}

fn compare(path: Path, op: Op, raw: &What) -> Result<Filter, Problem> {
    let literal = typed(&path, raw)?;
    if !matches!(op, Op::Eq | Op::Ne) && matches!(literal, Literal::Null | Literal::Bool(_)) {
        return Err(Problem::unsupported_query(format!("'{}' can only be compared with eq or ne here.", path.told())));
    }
    Ok(Filter::Compare(path, op, literal))
}

fn mistyped(path: &Path, wanted: &str) -> Problem {
    Problem::bad_request(format!("Invalid filter clause: '{}' must be compared with {wanted}.", path.told()))
}

/// The literal as the property's type wants it.
fn typed(path: &Path, raw: &What) -> Result<Literal, Problem> {
    if let What::Name(n) = raw
        && n == "null"
    {
        return match path.kind {
            Kind::List(_) => Err(mistyped(path, "any(…) or all(…)")),
            _ => Ok(Literal::Null),
        };
    }
    match (&path.kind, raw) {
        (Kind::Bool, What::Name(n)) => Ok(Literal::Bool(n == "true")),
        (Kind::Bool, _) => Err(mistyped(path, "true or false")),
        (Kind::Int, What::Int(n)) => Ok(Literal::Number(*n as f64)),
        (Kind::Int, What::Float(n)) => Ok(Literal::Number(*n)),
        (Kind::Int, _) => Err(mistyped(path, "a number")),
        (Kind::Text, What::Text(t)) => Ok(Literal::Text(t.to_lowercase())),
        (Kind::Text, What::Guid(g)) => Ok(Literal::Text(g.to_string())),
        (Kind::Text, _) => Err(mistyped(path, "a text in single quotes")),
        (Kind::Id, What::Guid(g)) => Ok(Literal::Id(g.to_string())),
        (Kind::Id, What::Text(t)) => Ok(Literal::Id(super::id_form(t))),
        (Kind::Id, _) => Err(mistyped(path, "an id in single quotes")),
        (Kind::Time, What::Time(t)) => Ok(Literal::Time(*t)),
        (Kind::Time, What::Text(t)) => {
            t.parse().map(Literal::Time).map_err(|_| mistyped(path, "a time such as 2026-11-21T13:05:00Z"))
        }
        (Kind::Time, _) => Err(mistyped(path, "a time such as 2026-11-21T13:05:00Z")),
        (Kind::Span, What::Text(t)) => {
            t.parse().map(Literal::Span).map_err(|_| mistyped(path, "a duration such as duration'PT8H'"))
        }
        (Kind::Span, _) => Err(mistyped(path, "a duration such as duration'PT8H'")),
        (Kind::List(_), _) => Err(mistyped(path, "any(…) or all(…)")),
        (Kind::Object(_), _) => Err(mistyped(path, "null, or one of its own properties with a value")),
    }
}

/// The property of this name that may be filtered.
fn named(entity: &'static Entity, name: &str) -> Result<&'static Property, Problem> {
    match entity.property(name) {
        Some(property) if property.filter => Ok(property),
        Some(property) => Err(unfiltered(entity, property.name)),
        None => Err(match entity.declared(name) {
            Some(found) => unfiltered(entity, found.name),
            None => unknown(entity, name),
        }),
    }
}

/// Graph's words for a property that it has and that no filter may name.
fn unfiltered(entity: &Entity, name: &str) -> Problem {
    Problem::unsupported_query(format!(
        "Unsupported or invalid query filter clause specified for property '{name}' of resource '{}'.",
        entity.told()
    ))
}

/// Graph's words for a name that is not a property.
pub fn unknown(entity: &Entity, name: &str) -> Problem {
    Problem::bad_request(format!(
        "Could not find a property named '{}' on type 'microsoft.graph.{}'.",
        shown(name),
        entity.name
    ))
}
