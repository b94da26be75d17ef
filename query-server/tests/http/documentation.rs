//! The OpenAPI document and the server agree: every answer of every test is checked against the document.

use std::sync::LazyLock;

use serde_json::Value;

use crate::client::{Answer, Connection};
use crate::rows;
use crate::shop::{Shop, bought, now_ms, product, viewed};

/// The document as the server hands it out.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let shop = Shop::open();
    let mut connection = Connection::open(shop.address);
    connection.send("GET /openapi.json HTTP/1.1\r\nhost: shop\r\n\r\n");
    connection.answer().unwrap().json()
});

/// Statuses that any request can be answered with, also at a path that does not exist.
const OF_ANY_REQUEST: [u16; 4] = [400, 414, 431, 503];

/// Asserts that the document describes this answer: its path, method, status, media type and shape.
#[track_caller]
pub(crate) fn assert_documented(method: &str, target: &str, answer: &Answer) {
    let path = target.split('?').next().unwrap();
    let at = format!("{method} {path}: {}", answer.status);
    let Some(item) = path_item(path) else {
        return assert!(answer.status == 404 || OF_ANY_REQUEST.contains(&answer.status), "{at}: no such path");
    };
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    let Some(operation) = item.get(&method) else {
        return assert!(answer.status == 405 || OF_ANY_REQUEST.contains(&answer.status), "{at}: no such method");
    };
    let response = operation["responses"].get(answer.status.to_string());
    let response = response.unwrap_or_else(|| panic!("{at} is not in {:#}", operation["responses"]));
    if answer.body.is_empty() {
        return;
    }
    let media_type = answer.header("content-type").unwrap();
    let content = &response["content"];
    let content = content.get(media_type).unwrap_or_else(|| panic!("{at}: {media_type} is not in {content}"));
    if media_type.ends_with("json") && media_type != "application/x-ndjson" {
        assert_shape(&content["schema"], &answer.json(), &at);
    }
}

/// What the document says of a path: of exactly this path, or of a template that matches.
fn path_item(path: &str) -> Option<&Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let matches = |template: &str| {
        let same = template.split('/').count() == path.split('/').count();
        let mut pairs = template.split('/').zip(path.split('/'));
        same && pairs.all(|(name, segment)| name == segment || name.starts_with('{') && (!segment.is_empty()))
    };
    paths.get(path).or_else(|| paths.iter().find(|(template, _)| matches(template)).map(|(_, item)| item))
}

/// Asserts that `value` has the shape of `schema`: as much of JSON Schema as the document uses.
#[track_caller]
fn assert_shape(schema: &Value, value: &Value, at: &str) {
    if schema == true {
        return;
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let schema = DOCUMENT.pointer(name.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{at}: {name}"));
        return assert_shape(schema, value, at);
    }
    if let Some(one_of) = schema.get("oneOf").and_then(Value::as_array) {
        // A map is one of its kind; of all others the first that is not null is meant.
        let is_map = |one: &&Value| one.get("additionalProperties").is_some() == value.is_object();
        let not_null = || one_of.iter().filter(|one| one["type"] != "null");
        let other = not_null().find(is_map).or_else(|| not_null().next());
        return if value.is_null() { assert!(one_of.len() > 1) } else { assert_shape(other.unwrap(), value, at) };
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(kinds.contains(&kind.into()), "{at}: {value} is not {schema}");
    for (name, value) in value.as_object().into_iter().flatten() {
        let property = schema.pointer(&format!("/properties/{name}")).or_else(|| schema.get("additionalProperties"));
        assert_shape(property.unwrap_or_else(|| panic!("{at}: {name} is not in {schema}")), value, at);
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter(|_| kind == "object") {
        assert!(value.get(name.as_str().unwrap()).is_some(), "{at}: {name} is missing from {value}");
    }
    value.as_array().into_iter().flatten().for_each(|item| assert_shape(&schema["items"], item, at));
}

#[test]
fn every_documented_operation_is_answered() {
    let shop = Shop::learning(1, |rules, _| rules.shadow.enabled = true);
    shop.happened([product("tea", "drinks"), product("cup", "drinks"), viewed("ada", "tea", now_ms())]);
    shop.happened(bought("tea", 1));
    let ids = [("user-id", "ada"), ("product-id", "mug")];
    let mut operations = 0;
    for (template, item) in DOCUMENT["paths"].as_object().unwrap() {
        let values = [
            ("{user}", "ada"),
            ("{product}", "mug"),
            ("{category}", "drinks"),
            ("{purchase}", "1"),
            ("{line}", "1"),
            ("{rule}", "sale"),
        ];
        let path = values.iter().fold(template.clone(), |path, (name, value)| path.replace(name, value));
        for method in item.as_object().unwrap().keys().filter(|_| !path.starts_with("/v1/stream")) {
            // The product of a similar list must be known, and that of a removal must not be in the history.
            let path = path.replace("mug/similar", "cup/similar");
            let (body, status) = match &*path {
                "/v1/events" => (r#"{"userid":"ada","productid":"tea"}"#, 202),
                "/v1/recommendations" => (r#"{"viewed":["tea"]}"#, 200),
                "/v1/rules/sale" => (r#"{"rule":"hide","product":"cup"}"#, 200),
                "/v1/features" if *method == "post" => (r#"{"users":["ada"],"products":["tea"]}"#, 200),
                _ => ("", 200),
            };
            let answer = shop.connect().ask(&method.to_uppercase(), &path, &ids, body.as_bytes());
            operations += 1;
            if answer.status == 409 {
                assert!(rows::is_of_rows(template), "{path}");
                answer.assert_problem(409, "store-off");
                continue;
            }
            match &**method {
                _ if *template == "/v1/rules/{rule}" && *method != "put" => {
                    answer.assert_problem(404, "unknown-rule");
                }
                _ if *template == "/v1/users/{user}" => assert_eq!(answer.json()["user-id"], "ada"),
                "get" | "post" | "put" => assert_eq!(answer.status, status, "{path}: {}", answer.text()),
                _ => {
                    answer.assert_problem(404, "not-in-history");
                }
            }
        }
    }
    assert!(operations >= 20, "{operations}");
}

#[test]
fn every_route_that_is_counted_is_documented() {
    let ids: Vec<&str> = DOCUMENT["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "an operation's id is its own");
    let metrics = Shop::open().get("/metrics");
    let labels = metrics
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("vitrine_http_request_seconds_count{route=\"")?.split('"').next());
    let mut routes = 0;
    for label in labels.filter(|label| *label != "none") {
        assert!(ids.iter().any(|id| id.split_once('_').unwrap().1 == label), "{label}");
        routes += 1;
    }
    assert!(routes >= 16, "{routes}");
}

#[test]
fn the_document_names_scopes_parameters_and_errors() {
    let history = &DOCUMENT["paths"]["/v1/users/{user}/history"]["get"];
    assert_eq!((&history["x-scope"], &history["x-owner"]), (&"read".into(), &"user".into()));
    let names: Vec<&str> =
        history["parameters"].as_array().unwrap().iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["user", "limit", "after", "wait_ms", "explain", "max_staleness_ms"]);
    for slug in ["busy", "not-visible-yet", "too-old", "starting", "catching-up", "owner-away", "behind"] {
        let errors = history["responses"]["503"]["description"].as_str().unwrap();
        assert!(errors.contains(&format!("`{slug}`")), "{slug}: {errors}");
    }
    let events = &DOCUMENT["paths"]["/v1/events"]["post"];
    assert!(events["requestBody"]["content"].get("application/x-ndjson").is_some());
    assert_eq!(events["x-scope"], "events");
    assert_eq!(DOCUMENT["info"]["version"], "1.2.3");
}

#[test]
fn the_document_bounds_what_a_request_may_hold() {
    let parameter = |path: &str, name: &str| {
        let parameters = DOCUMENT["paths"][path]["get"]["parameters"].as_array().unwrap();
        parameters.iter().find(|parameter| parameter["name"] == name).unwrap()["schema"].clone()
    };
    for (path, most) in [("/v1/users/{user}/history", 10), ("/v1/users/{user}/for-you", 100)] {
        let limit = parameter(path, "limit");
        assert_eq!((&limit["minimum"], &limit["maximum"], &limit["default"]), (&1.into(), &most.into(), &10.into()));
    }
    let context = parameter("/v1/users/{user}/for-you", "context");
    assert_eq!(context["enum"], serde_json::json!(["home", "product", "basket"]));
    for (path, name) in [("/v1/users/{user}/history", "user"), ("/api/v1/user_history_recommendations/", "user-id")] {
        let user = parameter(path, name);
        assert_eq!((&user["minLength"], &user["maxLength"]), (&1.into(), &256.into()));
    }
    let schemas = &DOCUMENT["components"]["schemas"];
    assert_eq!(schemas["RecommendationRequest"]["additionalProperties"], false);
    assert_eq!(schemas["RecommendationRequest"]["properties"]["limit"]["maximum"], 100);
    let of_question = &schemas["RecommendationRequest"]["properties"];
    let id = serde_json::json!("#/components/schemas/EventId");
    for list in ["viewed", "exclude"] {
        assert_eq!(of_question[list]["items"]["$ref"], id, "{list}");
    }
    assert_eq!(of_question["category"]["oneOf"][1]["$ref"], id);
    assert_eq!(schemas["EventId"]["anyOf"][1]["maximum"], u64::MAX);
    let files = DOCUMENT["paths"]["/assets/page.js"]["get"]["responses"]["200"]["content"].as_object().unwrap();
    assert!(files.contains_key("text/javascript; charset=utf-8"));
}

#[test]
fn only_100_continue_can_be_expected_where_a_body_is_taken() {
    let shop = Shop::open();
    for (template, item) in DOCUMENT["paths"].as_object().unwrap() {
        let path = template.replace(['{', '}'], "");
        for (method, operation) in item.as_object().unwrap() {
            let takes_body = ["post", "put", "patch"].contains(&&**method);
            let is_documented = operation["responses"].get("417").is_some();
            assert_eq!(is_documented, takes_body, "{method} {template}");
            if takes_body {
                let expected = [("expect", "200-ok")];
                let answer = shop.connect().ask(&method.to_uppercase(), &path, &expected, b"{}");
                answer.assert_problem(417, "expectation-failed");
            }
        }
    }
}

/// The body of a PUT need not repeat the id in its path, and the tests of rows leave it out.
#[test]
fn a_row_has_its_id_in_the_path_or_in_the_body() {
    for (path, id) in [
        ("/v1/products/{product}", "product_id"),
        ("/v1/categories/{category}", "category_id"),
        ("/v1/users/{user}", "user_id"),
        ("/v1/purchases/{purchase}", "purchase_id"),
    ] {
        let requires_id = |path: &str, method: &str| {
            let body = &DOCUMENT["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"];
            let schema = DOCUMENT.pointer(body["$ref"].as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
            assert!(schema["properties"].get(id).is_some(), "{method} {path}");
            let mut required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            required.any(|name| name == id)
        };
        assert!(!requires_id(path, "put"), "{path}");
        let (rows, _) = path.rsplit_once('/').unwrap();
        assert!(requires_id(rows, "post"), "{rows}");
    }
}

#[test]
fn the_chapters_on_http_and_services_name_every_path() {
    let chapter = |name: &str| {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(name)).unwrap()
    };
    let chapter = chapter("docs/http.md") + &chapter("docs/services.md");
    let paths = DOCUMENT["paths"].as_object().unwrap().keys();
    for path in paths.filter(|path| !path.starts_with("/docs/") && !path.starts_with("/assets/")) {
        assert!(chapter.contains(&format!(" {path}`")) || chapter.contains(&format!(" {path}/`")), "{path}");
    }
}

#[test]
fn the_documentation_is_shown_without_another_server() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    let page = connection.get("/docs");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().contains("script-src 'self';"));
    assert!(!page.text().contains("http://") && !page.text().contains("https://"));
    let files = page.text().split('"').filter(|text| text.starts_with("/docs/") || text.starts_with("/assets/"));
    let mut seen = 0;
    for file in files {
        let answer = connection.get(file);
        assert_eq!(answer.status, 200, "{file}");
        let tag = answer.header("etag").unwrap().to_owned();
        assert_eq!(connection.ask("GET", file, &[("if-none-match", &tag)], b"").status, 304, "{file}");
        seen += 1;
    }
    assert_eq!(seen, 4);
    connection.get("/docs/swagger-ui.js.map").assert_problem(404, "unknown-path");
    connection.get("/docs/").assert_problem(404, "unknown-path");
}
