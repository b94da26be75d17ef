//! `GET /` and `GET /assets/…`: the page, embedded in the program.

use axum::routing::on;
use hyper::header::HeaderMap;
use hyper::{Response, Uri};

use crate::answer::file::{self, AssetFile};
use crate::body::Body;
use crate::endpoint::{Endpoint, Operation, Owner, Scope};
use crate::problem::Problem;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "page",
    paths: &["/", "/assets/icon.svg", "/assets/page.js", "/assets/style.css"],
    owner: Owner::Receiver,
    operations: &[Operation {
        answers: file::ANSWERS,
        route: Some(|method| on(method, page)),
        ..Operation::get(Scope::Public, "The page that shows the lists and the status, and its files")
    }],
};

/// Nothing from other origins, and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

async fn page(uri: Uri, headers: HeaderMap) -> Result<Response<Body>, Problem> {
    let name = uri.path().strip_prefix("/assets/").unwrap_or("index.html");
    AssetFile::embedded(name).map(|file| file.answer(name, POLICY, &headers)).ok_or(Problem::UnknownPath)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_file_is_embedded_and_every_embedded_file_is_declared() {
        let declared = ENDPOINT.paths.iter().chain(crate::endpoints::docs::ENDPOINT.paths);
        let files = declared.filter_map(|path| match *path {
            "/" => Some("index.html"),
            "/docs" => Some("docs/index.html"),
            path => path.strip_prefix("/assets/").or_else(|| path.strip_prefix('/')),
        });
        let mut files: Vec<&str> = files.filter(|file| !file.contains("swagger-ui")).collect();
        files.sort_unstable();
        let mut embedded: Vec<String> = AssetFile::names().collect();
        embedded.sort_unstable();
        assert_eq!(files, embedded);
    }
}
