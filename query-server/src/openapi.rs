//! The OpenAPI document, made from the declarations of the endpoints.

use std::collections::BTreeMap;

use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation as Documented, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, Content, Header, HeaderBuilder, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, Paths, RefOr,
    Required,
};

use crate::answer::problem::ProblemBody;
use crate::endpoint::{Endpoint, Operation, Owner, Scope, Verb, schema_of};
use crate::header_names::X_API_KEY;
use crate::parameters::{ParameterBounds, ParameterSet};
use crate::problem::{OF_AUDITED, OF_KEYS, OF_OWNERS, OF_PARAMETERS, OF_REQUESTS, Problem};

pub(crate) mod values;

/// The media type of a body that holds one JSON object a line.
const LINES: &str = "application/x-ndjson";

/// The media type of server-sent events.
const EVENT_STREAM: &str = "text/event-stream";

const DESCRIPTION: &str = "Lists for the pages of a shop, and the operation of Vitrine. An operation with a scope needs a key \
     that has this scope, where the server has keys.\n\n\
    Every error is a problem of RFC 9457. A path that is not listed is answered with 404, a method that is not listed with \
    405 and the methods that are in the header `Allow`. HEAD is answered wherever GET is.\n\n\
    A process of a cluster that waits for the others at its start answers `/livez`, and every other path with 503 (`starting`) \
    and `Retry-After`.";

/// The names of the two ways to present a key.
const KEY: &str = "key";
const BEARER: &str = "bearer";

type Schemas = Vec<(String, RefOr<Schema>)>;

/// The document of `endpoints`, whose parameters have these bounds.
pub(crate) fn document(version: &str, endpoints: &[&Endpoint], bounds: ParameterBounds) -> OpenApi {
    let (mut paths, mut schemas) = (Paths::new(), Schemas::new());
    schema_of::<ProblemBody<'_>>(&mut schemas);
    for endpoint in endpoints {
        for (at, path) in endpoint.paths.iter().enumerate() {
            for operation in endpoint.operations {
                let documented = documented((endpoint, at), operation, bounds, &mut schemas);
                let method = match operation.verb {
                    Verb::Get => HttpMethod::Get,
                    Verb::Delete => HttpMethod::Delete,
                    Verb::Post => HttpMethod::Post,
                    Verb::Put => HttpMethod::Put,
                    Verb::Patch => HttpMethod::Patch,
                };
                paths.add_path_operation(*path, vec![method], documented);
            }
        }
    }
    let mut components = Components::new();
    components.schemas.extend(schemas);
    components.security_schemes.extend(security_schemes().map(|(name, scheme)| (name.to_owned(), scheme.into())));
    let info = InfoBuilder::new().title("Vitrine").version(version).description(Some(DESCRIPTION)).build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build()
}

/// One method at the endpoint's path with the number `at`.
fn documented(
    (endpoint, at): (&Endpoint, usize),
    operation: &Operation,
    bounds: ParameterBounds,
    schemas: &mut Schemas,
) -> Documented {
    let path = endpoint.paths[at];
    let tag = operation.tag.unwrap_or(match operation.scope {
        Scope::Public => "service",
        Scope::Read => "lists",
        Scope::Events | Scope::Delete | Scope::Write => "writes",
        Scope::Admin => "administration",
    });
    let scope = operation.scope.word();
    let owner = match endpoint.owner_of(operation) {
        Owner::Receiver => "receiver",
        Owner::User => "user",
    };
    // An endpoint with several paths has one operation for each of them, and each needs an id of its own.
    let number = if at == 0 { String::new() } else { format!("_{}", at + 1) };
    let id = format!("{}_{}{number}", format!("{:?}", operation.verb).to_lowercase(), endpoint.label);
    let extensions = ExtensionsBuilder::new().add("x-scope", scope).add("x-owner", owner).build();
    let mut documented = OperationBuilder::new()
        .tag(tag)
        .summary(Some(operation.summary))
        .operation_id(Some(id))
        .request_body(body(operation, schemas))
        .securities(Some(securities(operation.scope)))
        .extensions(Some(extensions));
    for name in path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')) {
        let (description, value) = values::id(name);
        documented = documented.parameter(parameter(name, ParameterIn::Path, Required::True, value, &description));
    }
    let optional = operation.optional_headers.iter().map(|header| (header, Required::False));
    for ((name, description), required) in
        operation.headers.iter().map(|header| (header, Required::True)).chain(optional)
    {
        let value = values::id(name).1;
        documented = documented.parameter(parameter(name, ParameterIn::Header, required, value, description));
    }
    for known in operation.parameters.parameters() {
        let value = values::of_query(known, operation.parameters, bounds);
        let required = if operation.parameters.needs(known.name) { Required::True } else { Required::False };
        let place = ParameterIn::Query;
        documented = documented.parameter(parameter(known.name, place, required, value, known.description));
    }
    for (status, response) in responses(endpoint, operation, schemas) {
        documented = documented.response(status.to_string(), response);
    }
    documented.build()
}

/// The ways to present a key with this scope.
fn securities(scope: Scope) -> Vec<SecurityRequirement> {
    match scope {
        Scope::Public => Vec::new(),
        scope => [KEY, BEARER].map(|scheme| SecurityRequirement::new(scheme, [scope.word()])).into(),
    }
}

/// The schemes of keys.
fn security_schemes() -> [(&'static str, SecurityScheme); 2] {
    let sentence = "Needed where the server has keys: see the scope of each operation";
    let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(X_API_KEY.as_str(), sentence)));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The same key")).build();
    [(KEY, key), (BEARER, SecurityScheme::Http(bearer))]
}

fn parameter(name: &str, place: ParameterIn, required: Required, value: Object, description: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(Some(value))
}

fn body(operation: &Operation, schemas: &mut Schemas) -> Option<RequestBody> {
    let body = RequestBodyBuilder::new().required(Some(Required::True));
    let whole = operation.body_schema.map_or_else(Content::default, |schema| Content::new(Some(schema(schemas))));
    let lines = ObjectBuilder::new().schema_type(Type::String).description(Some("One JSON object a line"));
    let lines = Content::new(Some(lines));
    let with = |body: RequestBodyBuilder, media_type: &&str| {
        body.content(*media_type, if *media_type == LINES { lines.clone() } else { whole.clone() })
    };
    (!operation.body.is_empty()).then(|| operation.body.iter().fold(body, with).build())
}

/// Every status that an operation can answer with.
fn responses(endpoint: &Endpoint, operation: &Operation, schemas: &mut Schemas) -> BTreeMap<u16, Response> {
    let mut responses = BTreeMap::<u16, Response>::new();
    for answer in operation.answers {
        let response = responses.entry(answer.status).or_default();
        response.description = answer.description.into();
        if let Some((media_type, schema)) = answer.body {
            // A schema would describe each event, and the events of a stream have types of their own.
            let schema = (media_type != EVENT_STREAM).then(|| schema(schemas));
            response.content.insert(media_type.into(), Content::new(schema).into());
        }
    }
    let of_parameters = if operation.parameters == ParameterSet::Nothing { &[] } else { OF_PARAMETERS };
    let of_keys = if operation.scope == Scope::Public { &[] } else { OF_KEYS };
    let of_audited = if operation.audited_as.is_some() { OF_AUDITED } else { &[] };
    let of_owners = if endpoint.owner_of(operation) == Owner::User { OF_OWNERS } else { &[] };
    let sets = operation.problems.iter().copied().chain([OF_REQUESTS, of_keys, of_audited, of_parameters, of_owners]);
    let mut problems = BTreeMap::<u16, Vec<&Problem>>::new();
    for problem in sets.flatten() {
        problems.entry(problem.kind().status.as_u16()).or_default().push(problem);
    }
    for (status, problems) in problems {
        let mut titles: Vec<String> = problems
            .iter()
            .map(|problem| problem.kind())
            .map(|kind| format!("`{}`: {}", kind.slug, kind.title))
            .collect();
        titles.dedup();
        let problem = schema_of::<ProblemBody<'_>>(schemas);
        let mut response = ResponseBuilder::new().description(titles.join(". "));
        if matches!(status, 429 | 503) {
            response = response.header("Retry-After", retry_after());
        }
        responses.insert(status, response.content("application/problem+json", Content::new(Some(problem))).build());
    }
    responses
}

fn retry_after() -> Header {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_usize));
    let description = "The seconds after which a new attempt may succeed";
    HeaderBuilder::new().schema(Some(seconds)).description(Some(description)).build()
}
