//! What an endpoint declares about itself: paths, metrics label, callers, parameters, answers and errors.
//!
//! The declaration is the only place where these are written. The matcher of the hot paths, the router, the metrics and
//! the OpenAPI document are all derived from it.

use std::sync::Arc;

use axum::routing::{MethodFilter, MethodRouter};
use hyper::{Method, Response};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

use crate::body::Body;
use crate::operations::Operations;
use crate::parameters::ParameterSet;
use crate::problem::Problem;
use crate::read_state::ReadState;
use crate::request::ListRequest;

pub(crate) use crate::scope::Scope;

/// An endpoint: one resource, at one path or several.
pub(crate) struct Endpoint {
    /// The value of the label `route` in metrics.
    pub(crate) label: &'static str,
    /// The paths that lead to it. An id stands in braces and fills one segment.
    pub(crate) paths: &'static [&'static str],
    /// Which process of a cluster answers.
    pub(crate) owner: Owner,
    /// Its methods, each once.
    pub(crate) operations: &'static [Operation],
}

/// Which process of a cluster answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The process that receives it.
    Receiver,
    /// The process that holds the rows of the user named in the request.
    User,
}

/// The method of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// GET, and HEAD too.
    Get,
    Delete,
    Post,
    Put,
    Patch,
}

/// One method of an endpoint.
pub(crate) struct Operation {
    pub(crate) verb: Verb,
    /// What a key must allow.
    pub(crate) scope: Scope,
    /// Which process of a cluster answers, where it is not that of the endpoint.
    pub(crate) owner: Option<Owner>,
    /// The name of the action in the audit log, if the log has an entry on it.
    pub(crate) audited_as: Option<&'static str>,
    /// The group in the documentation, where it is not that of the scope.
    pub(crate) tag: Option<&'static str>,
    /// One sentence for the documentation.
    pub(crate) summary: &'static str,
    /// The query parameters it takes.
    pub(crate) parameters: ParameterSet,
    /// The header fields it needs, each with its description.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// The header fields it takes and does not need, each with its description.
    pub(crate) optional_headers: &'static [(&'static str, &'static str)],
    /// The media types of its request body; empty where it takes none.
    pub(crate) body: &'static [&'static str],
    /// The schema of its request body, if it takes one of a fixed shape.
    pub(crate) body_schema: Option<SchemaOf>,
    /// Its answers other than errors. Several with the same status differ in their media type.
    pub(crate) answers: &'static [Answer],
    /// Its own errors. Errors of every request, of its parameters and of its owner are added by `openapi`.
    pub(crate) problems: &'static [&'static [Problem]],
    /// Makes its route on the router; none for a hot endpoint, which is matched before the router.
    pub(crate) route: Option<RouteOf>,
    /// Reads the list of a hot endpoint.
    pub(crate) read_list: Option<ReadList>,
}

impl Operation {
    /// A GET without parameters, with this summary, to declare others from.
    pub(crate) const fn get(scope: Scope, summary: &'static str) -> Operation {
        Operation::of(Verb::Get, scope, summary)
    }

    /// The same for DELETE.
    pub(crate) const fn delete(scope: Scope, summary: &'static str) -> Operation {
        Operation::of(Verb::Delete, scope, summary)
    }

    /// The same for POST.
    pub(crate) const fn post(scope: Scope, summary: &'static str) -> Operation {
        Operation::of(Verb::Post, scope, summary)
    }

    /// The same for PUT.
    pub(crate) const fn put(scope: Scope, summary: &'static str) -> Operation {
        Operation::of(Verb::Put, scope, summary)
    }

    /// The same for a method without a declaration of its own.
    pub(crate) const fn of(verb: Verb, scope: Scope, summary: &'static str) -> Operation {
        Operation {
            verb,
            scope,
            owner: None,
            audited_as: None,
            tag: None,
            summary,
            parameters: ParameterSet::Nothing,
            headers: &[],
            optional_headers: &[],
            body: &[],
            body_schema: None,
            answers: &[],
            problems: &[],
            route: None,
            read_list: None,
        }
    }

    /// Whether a request may have a body.
    pub(crate) fn takes_body(&self) -> bool {
        matches!(self.verb, Verb::Post | Verb::Put | Verb::Patch)
    }
}

/// Makes the route of a method.
pub(crate) type RouteOf = fn(MethodFilter) -> MethodRouter<Arc<Operations>>;

/// Reads a list as it is now.
pub(crate) type ReadList = fn(&ReadState, ListRequest<'_>) -> Result<Response<Body>, Problem>;

/// Makes a schema, and adds the schemas that it refers to to the list.
pub(crate) type SchemaOf = fn(&mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema>;

/// An answer that is not an error.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) description: &'static str,
    /// Media type and schema of its body, if it has one.
    pub(crate) body: Option<(&'static str, SchemaOf)>,
}

impl Answer {
    /// A JSON object.
    pub(crate) const fn json<T: ToSchema>(status: u16, description: &'static str) -> Answer {
        Answer { status, description, body: Some(("application/json", schema_of::<T>)) }
    }

    /// A JSON object whose fields are described elsewhere.
    pub(crate) const fn any_object(description: &'static str) -> Answer {
        let schema: SchemaOf = |_| {
            let any = Some(AdditionalProperties::FreeForm(true));
            ObjectBuilder::new().schema_type(Type::Object).additional_properties(any).into()
        };
        Answer { status: 200, description, body: Some(("application/json", schema)) }
    }

    /// A text of another media type.
    pub(crate) const fn text(media_type: &'static str, description: &'static str) -> Answer {
        Answer {
            status: 200,
            description,
            body: Some((media_type, |_| ObjectBuilder::new().schema_type(Type::String).into())),
        }
    }

    /// An answer without a body.
    pub(crate) const fn empty(status: u16, description: &'static str) -> Answer {
        Answer { status, description, body: None }
    }
}

/// A reference to the schema of `T`.
pub(crate) fn schema_of<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
    Ref::from_schema_name(T::name()).into()
}

impl Endpoint {
    /// The operation of `method`.
    ///
    /// # Errors
    /// When there is none; the error names the methods that are allowed.
    pub(crate) fn operation(&self, method: &Method) -> Result<&Operation, Problem> {
        let verb = match *method {
            Method::GET | Method::HEAD => Some(Verb::Get),
            Method::DELETE => Some(Verb::Delete),
            Method::POST => Some(Verb::Post),
            Method::PUT => Some(Verb::Put),
            Method::PATCH => Some(Verb::Patch),
            _ => None,
        };
        let found = self.operations.iter().find(|operation| Some(operation.verb) == verb);
        found.ok_or_else(|| Problem::Method(self.allow()))
    }

    /// Which process of a cluster answers an operation.
    pub(crate) fn owner_of(&self, operation: &Operation) -> Owner {
        operation.owner.unwrap_or(self.owner)
    }

    /// The methods it takes, as the header `Allow` names them.
    pub(crate) fn allow(&self) -> String {
        let names = self.operations.iter().map(|operation| match operation.verb {
            Verb::Get => "GET, HEAD",
            Verb::Delete => "DELETE",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
        });
        names.collect::<Vec<_>>().join(", ")
    }

    /// Whether one of its paths leads to `path`.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        self.paths.iter().any(|template| {
            let mut pairs = template.split('/').zip(path.split('/'));
            template.split('/').count() == path.split('/').count()
                && pairs.all(|(name, segment)| name == segment || name.starts_with('{'))
        })
    }

    /// The ids in `path`, still percent-encoded, where `path` is one of the paths that the router took for this endpoint.
    pub(crate) fn ids<'p>(&self, path: &'p str) -> impl Iterator<Item = &'p str> {
        let template = self.paths[0].split('/');
        template.zip(path.split('/')).filter(|(name, _)| name.starts_with('{')).map(|(_, segment)| segment)
    }
}

/// A path with at most one id, split at compile time, for the hot paths.
#[derive(Clone, Copy)]
pub(crate) struct Template {
    before: &'static str,
    /// What follows the id; none where the path has no id.
    after: Option<&'static str>,
}

impl Template {
    /// The template of a declared path.
    pub(crate) const fn of(path: &'static str) -> Template {
        let (mut open, mut close, bytes) = (0, 0, path.as_bytes());
        while open < bytes.len() && bytes[open] != b'{' {
            open += 1;
        }
        while close < bytes.len() && bytes[close] != b'}' {
            close += 1;
        }
        if open == bytes.len() {
            return Template { before: path, after: None };
        }
        Template { before: path.split_at(open).0, after: Some(path.split_at(close + 1).1) }
    }

    /// The id in `path`, still percent-encoded and perhaps empty, if the template has one; none where the path is another.
    pub(crate) fn id(self, path: &str) -> Option<Option<&str>> {
        let rest = path.strip_prefix(self.before)?;
        match self.after {
            None => rest.is_empty().then_some(None),
            Some(after) => rest.strip_suffix(after).filter(|id| !id.contains('/')).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_find_the_id_of_one_segment() {
        const HISTORY: Template = Template::of("/v1/users/{user}/history");
        for (path, id) in [
            ("/v1/users/ada/history", Some("ada")),
            ("/v1/users/a%2Fb/history", Some("a%2Fb")),
            ("/v1/users//history", Some("")),
            ("/v1/users/history", None),
            ("/v1/users/ada/history/", None),
            ("/v1/users/ada/bea/history", None),
            ("/v1/users/ada/History", None),
        ] {
            assert_eq!(HISTORY.id(path), id.map(Some), "{path}");
        }
    }
}
