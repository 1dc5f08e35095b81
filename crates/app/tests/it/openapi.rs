//! `docs/openapi.json` is the document that the runner serves, and describes the routes that there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use portcullis_app::http::openapi::Api;
use portcullis_app::http::router::{counted_routes, health_routes};
use serde_json::Value;
use utoipa::OpenApi as _;

/// The document as JSON.
pub fn document() -> Value {
    serde_json::to_value(Api::openapi()).unwrap()
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json")
}

fn text() -> String {
    format!("{}\n", serde_json::to_string_pretty(&document()).unwrap())
}

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let committed = std::fs::read_to_string(file()).unwrap_or_default();
    assert!(
        committed == text(),
        "docs/openapi.json is not up to date: read the change, then run \
         `cargo test -p portcullis-app --test it -- --ignored write_the_document`"
    );
}

#[test]
#[ignore = "writes docs/openapi.json"]
fn write_the_document() {
    std::fs::write(file(), text()).unwrap();
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let routes = counted_routes().into_iter().chain(health_routes()).map(|(path, _)| path);
    // Load balancers look at these as well; they are the same as those under /v1.
    let routed: BTreeSet<String> =
        routes.filter(|path| !["/healthz", "/readyz"].contains(path)).map(str::to_owned).collect();
    let described: BTreeSet<String> = document()["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(routed, described);
}

#[test]
fn every_refusal_is_described_as_a_problem_document() {
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let content = &operation["responses"]["default"]["content"]["application/problem+json"];
            let open = operation.get("security").is_none();
            assert!(open || content["schema"]["$ref"] == "#/components/schemas/Problem", "{method} {path}");
            assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{method} {path}");
        }
    }
}
