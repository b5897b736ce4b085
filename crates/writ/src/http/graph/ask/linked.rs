//! One resource, and what a path goes on to behind it: one of its properties, what a link leads to, one of that, or
//! references to it.
//! It judges nothing: a handler has asked whether the resource may be read, and `permissions` whether the link may.

use super::super::directory_objects::collection;
use super::super::odata::options::{By, Of};
use super::super::odata::{Entity, Kind, Link, Linked, Property, Row};
use super::super::page::Shape;
use super::super::policy_rules::{PLACE, RULE};
use super::{Answer, Ask};
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use uuid::Uuid;

impl Ask {
    /// One resource; or, when the path goes on with a link's name, what the link leads to.
    pub fn one(&self, entity: &'static Entity, context: &str, row: &dyn Row) -> Result<Answer, Problem> {
        let name = self.at("link");
        if !name.is_empty() {
            let entity = row.entity();
            let link = entity.links.iter().find(|l| l.name.eq_ignore_ascii_case(name));
            let property = entity.properties.iter().find(|p| p.name.eq_ignore_ascii_case(name));
            return match (link, property) {
                (Some(link), _) => self.follow(row, link),
                (None, Some(property)) if self.at("item").is_empty() => self.property(row, property, context),
                _ => Err(Problem::unknown_segment(name)),
            };
        }
        let query = self.parsed(entity, Of::One)?;
        self.written(&query, context, row, false)
    }

    /// One property by itself: `/users/{id}/displayName`.
    fn property(&self, row: &dyn Row, property: &Property, context: &str) -> Result<Answer, Problem> {
        if self.counting || self.references || self.cast.is_some() {
            return Err(Problem::unknown_segment(property.name));
        }
        // It takes no options; one that is misspelt is refused as anywhere else.
        self.parsed(row.entity(), Of::One)?;
        let (of, id) = (context.trim_end_matches("/$entity"), row.get("id"));
        let context = format!("{of}('{}')/{}", id.as_str().unwrap_or_default(), property.name);
        Ok(match row.get(property.name) {
            Json::Null => Answer::Nothing,
            value => Answer::Found(json!({"@odata.context": self.context_url(&context), "value": value})),
        })
    }

    /// What a context says of a link whose resources exist only within the one it is followed from: where they are.
    fn contained(&self, link: &Link) -> Option<String> {
        let (id, path) = (self.at("id"), self.url.strip_prefix(&self.base)?.trim_start_matches('/'));
        let (collection, _) = path.split_once(&format!("/{id}/"))?;
        let within = ["unifiedRoleManagementPolicyRule", "approvalStep"].contains(&link.to.name);
        within.then(|| format!("{collection}('{id}')/{}", link.name))
    }

    /// What a link leads to: one resource, or a list with all its options.
    fn follow(&self, row: &dyn Row, link: &'static Link) -> Result<Answer, Problem> {
        if let Some(cast) = self.cast.filter(|_| !link.mixed) {
            return Err(Problem::unknown_segment(&format!("microsoft.graph.{}", cast.name)));
        }
        let contained = self.contained(link);
        let whole = match &contained {
            Some(path) => path,
            None if link.mixed => "directoryObjects",
            None => link.to.name,
        };
        let (to, whole, mixed) = match self.cast {
            Some(cast) => (cast, collection(cast), false),
            None => (link.to, whole, link.mixed),
        };
        let fits = |row: &dyn Row| self.cast.is_none_or(|cast| std::ptr::eq(row.entity(), cast));
        let item = self.at("item");
        // What may be very long is read only as far as a page needs.
        if row.many_from(link.name, Uuid::nil()).is_some() {
            let from = |id| row.many_from(link.name, id).into_iter().flatten().filter(|row| fits(&**row));
            if !item.is_empty() {
                let found = Uuid::try_parse(item).ok().and_then(|id| from(id).next());
                return self.item(found, to, whole, mixed);
            }
            let shape = Shape::by_id().sorted();
            let listed = self.list_as(to, whole, if mixed { shape.typed() } else { shape }, |_, id| from(id))?;
            return Ok(if self.references { self.as_references(listed) } else { listed });
        }
        if !self.reach.allows(row.width(link.name)) {
            // It is read again where there is time for it.
            return Err(Problem::internal());
        }
        match row.link(link.name) {
            Linked::Many(mut rows) => {
                rows.retain(|row| fits(&**row));
                if !item.is_empty() {
                    return self.item(rows, to, whole, mixed);
                }
                let shape = if mixed { Shape::by_id().typed() } else { Shape::by_id() };
                let shape = if std::ptr::eq(to, &RULE) {
                    shape.ordered(vec![By { property: PLACE, kind: Kind::Text, descending: false }])
                } else {
                    shape
                };
                let listed = self.list_as(to, whole, shape, |_, _| rows.into_iter())?;
                Ok(if self.references { self.as_references(listed) } else { listed })
            }
            Linked::One(Some(target)) if self.references => {
                let reference = self.reference(target.get("id").as_str().unwrap_or_default());
                Ok(Answer::Found(json!({"@odata.context": self.context_url("$ref"), "@odata.id": reference})))
            }
            Linked::One(Some(target)) => {
                let query = self.parsed(link.to, Of::One)?;
                self.written(&query, &format!("{whole}/$entity"), &*target, link.mixed)
            }
            Linked::One(None) => Err(Problem::not_found(link.name)),
        }
    }

    /// The one of these rows that the path names.
    fn item<'r>(
        &self,
        rows: impl IntoIterator<Item = Box<dyn Row + 'r>>,
        to: &'static Entity,
        whole: &str,
        mixed: bool,
    ) -> Result<Answer, Problem> {
        let named = |row: &dyn Row| row.get("id").as_str().is_some_and(|id| id.eq_ignore_ascii_case(self.at("item")));
        let row = rows.into_iter().find(|row| named(&**row)).ok_or_else(|| self.missing("item"))?;
        let query = self.parsed(to, Of::One)?;
        self.written(&query, &format!("{whole}/$entity"), &*row, mixed)
    }

    /// The address by which others refer to an object.
    fn reference(&self, id: &str) -> String {
        format!("{}/directoryObjects/{id}", self.base)
    }

    /// The same list as references to what is in it.
    fn as_references(&self, answer: Answer) -> Answer {
        if self.counting {
            return answer;
        }
        let Json::Object(mut out) = answer.into_json() else { return Answer::Nothing };
        out.insert("@odata.context".into(), json!(self.context_url("Collection($ref)")));
        if let Some(rows) = out.get_mut("value").and_then(Json::as_array_mut) {
            for row in rows {
                let id = row["id"].as_str().unwrap_or_default();
                *row = json!({"@odata.id": self.reference(id)});
            }
        }
        Answer::Found(Json::Object(out))
    }

    /// A list behind a fixed link.
    pub fn links(&self, row: &dyn Row, name: &str) -> Result<Answer, Problem> {
        let link = row.entity().links.iter().find(|l| l.name == name).ok_or_else(|| Problem::unknown_segment(name))?;
        self.follow(row, link)
    }
}
