//! `GET /docs` and `GET /docs/…`: the OpenAPI document in Swagger UI, embedded in the program.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::routing::on;
use hyper::header::HeaderMap;
use hyper::{Response, Uri};
use sha2::{Digest, Sha256};
use utoipa_swagger_ui::Config;

use crate::answer::file::{self, AssetFile};
use crate::body::Body;
use crate::endpoint::{Endpoint, Operation, Owner, Scope};
use crate::problem::Problem;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "docs",
    paths: &["/docs", "/docs/docs.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"],
    owner: Owner::Receiver,
    operations: &[Operation {
        answers: file::ANSWERS,
        route: Some(|method| on(method, docs)),
        ..Operation::get(Scope::Public, "This document in a browser, and the files of that page")
    }],
};

/// Swagger UI styles some elements inline and has its icons in its style sheet. All else is as for the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The files of Swagger UI that the page loads.
const SWAGGER_UI: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// The same files, with their SHA-256.
static SWAGGER_UI_FILES: LazyLock<Vec<(Vec<u8>, [u8; 32])>> = LazyLock::new(|| {
    let files = SWAGGER_UI.map(|name| {
        let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default())).ok().flatten();
        let bytes = file.expect("the crate holds the files of Swagger UI").bytes.into_owned();
        let tag = Sha256::digest(&bytes).into();
        (bytes, tag)
    });
    files.into()
});

async fn docs(uri: Uri, headers: HeaderMap) -> Result<Response<Body>, Problem> {
    let name = uri.path().strip_prefix("/docs/").unwrap_or("index.html");
    let file = AssetFile::embedded(&format!("docs/{name}")).or_else(|| swagger_ui(name)).ok_or(Problem::UnknownPath)?;
    Ok(file.answer(name, POLICY, &headers))
}

fn swagger_ui(name: &str) -> Option<AssetFile> {
    let at = SWAGGER_UI.iter().position(|known| *known == name)?;
    let (bytes, tag) = &SWAGGER_UI_FILES[at];
    Some(AssetFile { bytes: Cow::Borrowed(bytes), tag: *tag })
}
