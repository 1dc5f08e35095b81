//! Every route against strangers. The cases are made from the OpenAPI document: a route without a request here
//! fails the test, and so does one that lets a stranger in.

use portcullis_app::gate::READ_TOKEN_PREFIX;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{Fixture, Who};
use crate::openapi::document;

/// A route, from the document.
struct Route {
    method: String,
    path: String,
    /// The names of its security schemes; empty: for anybody.
    schemes: Vec<String>,
}

fn routes() -> Vec<Route> {
    let document = document();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let schemes = operation["security"].as_array().into_iter().flatten();
            let schemes = schemes.flat_map(|one| one.as_object().unwrap().keys().cloned()).collect();
            routes.push(Route { method: method.to_uppercase(), path: path.clone(), schemes });
        }
    }
    routes
}

/// A request that is answered well when the right caller sends it.
struct Good {
    path: String,
    body: Option<Value>,
    who: Who,
    status: StatusCode,
}

/// What the requests are about: a run that is held, and its tasks.
struct Held {
    run: String,
    task: String,
    plan: Value,
    read_token: String,
}

async fn held(fixture: &Fixture) -> Held {
    let body = json!({"action": "apply", "repository": "live", "ref": "main"});
    let (run, read_token) = fixture.started(Who::Merge, &body).await;
    let view = fixture.until(&run, "held").await;
    let task = view["tasks"][1]["id"].as_str().unwrap().to_owned();
    Held { run, task, plan: view["tasks"][1]["held_plan"].clone(), read_token }
}

/// The good request of a route. A new route needs one here.
fn good(route: &Route, held: &Held) -> Good {
    let run = format!("/v1/runs/{}", held.run);
    let read = |path: String| Good { path, body: None, who: Who::Ci, status: StatusCode::OK };
    match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/v1/runs") => Good {
            body: Some(json!({"action": "plan", "repository": "live", "ref": "feature"})),
            status: StatusCode::CREATED,
            ..read("/v1/runs".into())
        },
        ("POST", "/v1/explain") => Good {
            body: Some(json!({"action": "plan", "repository": "live", "ref": "feature"})),
            ..read("/v1/explain".into())
        },
        ("POST", "/v1/runs/{id}/approve") => {
            Good { body: Some(json!({"plans": [held.plan]})), who: Who::Lead, ..read(format!("{run}/approve")) }
        }
        ("POST", "/v1/runs/{id}/cancel") => Good { who: Who::Merge, ..read(format!("{run}/cancel")) },
        ("GET", "/v1/runs") => read("/v1/runs?limit=1".into()),
        ("GET", "/v1/runs/{id}") => read(run),
        ("GET", "/v1/runs/{id}/calls") => read(format!("{run}/calls")),
        ("GET", "/v1/runs/{id}/events") => read(format!("{run}/events")),
        ("GET", "/v1/tasks/{id}/log") => read(format!("/v1/tasks/{}/log", held.task)),
        (
            "GET",
            path @ ("/v1/actions" | "/v1/units" | "/v1/definition" | "/v1/healthz" | "/v1/readyz" | "/v1/openapi.json"),
        ) => read(path.into()),
        (method, path) => panic!("{method} {path} has no request here: add one, and see that strangers get nothing"),
    }
}

#[tokio::test]
async fn no_route_answers_a_stranger() {
    let fixture = Fixture::new().await;
    let held = held(&fixture).await;
    let elsewhere = fixture.issuer.mint(json!({"aud": "portcullis:acme/prod", "repository_id": "8210441"}));
    let stranger = fixture.token(Who::Stranger);
    for route in routes() {
        let good = good(&route, &held);
        let name = format!("{} {}", route.method, route.path);
        for (token, status, code) in [
            (None, 401, "PC-0200"),
            (Some("not.a.token"), 401, "PC-0200"),
            (Some(&*elsewhere), 401, "PC-0204"),
            (Some(&*stranger), 403, "PC-0300"),
        ] {
            if route.schemes.is_empty() {
                continue;
            }
            let said = fixture.send(&route.method, &good.path, token, good.body.as_ref()).await;
            assert_eq!((said.status.as_u16(), said.code()), (status, code), "{name} with {token:?}: {said:?}");
            assert_eq!(said.headers["content-type"], "application/problem+json", "{name}");
            assert_eq!(said.headers.contains_key("www-authenticate"), status == 401, "{name}");
            assert_eq!(said.headers["cache-control"], "no-store", "{name}");
            // A request without a token asks nothing of the gate.
            let Some(_) = token else { continue };
            let row = fixture.decisions().await.remove(0);
            assert!(!row.granted && row.code.is_some_and(|row| row.to_string() == code), "{name}: {row:?}");
        }
    }
    // Not one of these refusals was for a wrong reason: the right caller is answered. Cancelling comes last.
    let mut last = routes();
    last.sort_by_key(|route| route.path.ends_with("/cancel"));
    for route in last {
        let good = good(&route, &held);
        let name = format!("{} {}", route.method, route.path);
        if route.path.ends_with("/events") {
            continue;
        }
        if route.path.ends_with("/approve") {
            let said = fixture.send("POST", &good.path, Some(&fixture.token(good.who)), good.body.as_ref()).await;
            assert_eq!(said.status, good.status, "{name}: {said:?}");
            fixture.until(&held.run, "succeeded").await;
            continue;
        }
        let token = (!route.schemes.is_empty()).then(|| fixture.token(good.who));
        let said = fixture.send(&route.method, &good.path, token.as_deref(), good.body.as_ref()).await;
        if route.path.ends_with("/cancel") {
            assert_eq!((said.status.as_u16(), said.code()), (409, "PC-0118"), "{name}: {said:?}");
        } else {
            assert_eq!(said.status, good.status, "{name}: {said:?}");
        }
    }
}

#[tokio::test]
async fn a_read_token_reads_its_run_and_nothing_else() {
    let fixture = Fixture::new().await;
    let held = held(&fixture).await;
    let plan = json!({"action": "plan", "repository": "live", "ref": "feature"});
    let (other, other_token) = fixture.started(Who::Ci, &plan).await;
    fixture.until(&other, "succeeded").await;
    assert!(other_token.starts_with(READ_TOKEN_PREFIX));
    for route in routes().into_iter().filter(|route| !route.schemes.is_empty()) {
        let good = good(&route, &held);
        let name = format!("{} {}", route.method, route.path);
        let reads = route.schemes.iter().any(|scheme| scheme == "read_token");
        for token in [other_token.as_str(), "pcr_", "pcr_AAAA"] {
            let said = fixture.send(&route.method, &good.path, Some(token), good.body.as_ref()).await;
            assert_eq!(said.status, StatusCode::UNAUTHORIZED, "{name}: {said:?}");
            let code = if route.method == "GET" { "PC-0211" } else { "PC-0200" };
            assert_eq!(said.code(), code, "{name}");
        }
        if route.path.ends_with("/events") {
            continue;
        }
        let own = fixture.send(&route.method, &good.path, Some(&held.read_token), good.body.as_ref()).await;
        assert_eq!(own.status.is_success(), reads, "{name}: {own:?}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_described_is_not_there() {
    let fixture = Fixture::new().await;
    let held = Held {
        run: "01890000-0000-7000-8000-000000000000".into(),
        task: "01890000-0000-7000-8000-000000000000".into(),
        plan: json!("x"),
        read_token: String::new(),
    };
    let routes = routes();
    for route in &routes {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            if routes.iter().any(|other| other.path == route.path && other.method == method) {
                continue;
            }
            let said = fixture.send(method, &good(route, &held).path, None, None).await;
            assert_eq!((said.status.as_u16(), said.code()), (405, "PC-0119"), "{method} {}", route.path);
        }
    }
    for path in
        ["/", "/v1", "/v1/", "/v1/runs/", "/v2/runs", "/v1/runs/x/y", "/v1/../v1/runs", "/v1/tasks", "//v1/runs"]
    {
        let said = fixture.send("GET", path, None, None).await;
        let found = path.contains("..");
        assert_eq!(said.code(), if found { "PC-0200" } else { "PC-0114" }, "{path}: {said:?}");
    }
    for path in ["/healthz", "/readyz"] {
        let said = fixture.send("GET", path, None, None).await;
        assert_eq!((said.status, &said.body["status"]), (StatusCode::OK, &json!("ok")), "{path}");
    }
}
