//! Declared actions at the gate: who sees them, what is let in and with which arguments, and what would become of a
//! request.

use portcullis_model::Digest;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{Fixture, Who, definition, repository};
use portcullis_app::http::listener::Limits;
use portcullis_testkit::issuer::FakeIssuer;

/// The usual definition, with more actions for `dev`.
fn with_actions(issuer: &str) -> String {
    let actions = r#"  path = "dev"
  tools {
    programs = { probe = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
  }
  action "rotate-keys" {
    allow             = ["live-merge"]
    description       = "Gives a service new keys."
    program           = "probe"
    phase             = "apply"
    working_directory = "dev"
    argv              = ["--service=${param.service}", { when = param.unit, argv = ["--unit", param.unit] }, "--", param.file]
    limits {
      timeout_s = 60
    }
    parameter "service" {
      type   = "enum"
      values = ["web", "api"]
    }
    parameter "unit" {
      type     = "unit"
      required = false
    }
    parameter "file" {
      type    = "path"
      within  = ["."]
      default = "portcullis.hcl"
    }
  }
  action "lint" {
    allow   = ["live-ci"]
    program = "probe"
    phase   = "plan"
    argv    = [param.base]
    parameter "base" {
      type    = "branch"
      default = "main"
    }
  }
  action "talk" {
    allow   = ["live-ci"]
    program = "probe"
    phase   = "plan"
    argv    = []
    network = ["api.example"]
  }
  action "build-image" {
    allow        = ["live-ci"]
    repositories = ["git.example/acme/*"]
    registries   = ["registry.example"]
  }
"#;
    definition(issuer).replacen("  path = \"dev\"\n", actions, 1)
}

async fn fixture() -> Fixture {
    let issuer = FakeIssuer::start();
    let repo = repository(issuer.url());
    repo.write("portcullis.hcl", with_actions(issuer.url()));
    repo.commit("actions");
    repo.push();
    Fixture::over(repo, issuer, tempfile::tempdir().unwrap()).await
}

fn rotate(parameters: &Value) -> Value {
    json!({"action": "rotate-keys", "repository": "live", "ref": "main", "parameters": parameters})
}

#[tokio::test]
async fn a_declared_action_runs_with_the_arguments_that_were_decided_when_it_was_accepted() {
    let fixture = fixture().await;
    let body = rotate(&json!({"service": "web", "unit": "dev/vpc"}));
    let (run, _) = fixture.started(Who::Merge, &body).await;
    let record = fixture.store.run_get(run.parse().unwrap()).await.unwrap().unwrap();
    let program = record.program.unwrap();
    assert_eq!(program.arguments, ["--service=web", "--unit", "dev/vpc", "--", "portcullis.hcl"]);
    assert_eq!((program.name.as_str(), program.folder.as_str(), program.timeout_s), ("probe", "dev", 60));
    assert_eq!(program.sha256, Digest::of(b""));
    let view = fixture.until(&run, "succeeded").await;
    assert_eq!(view["action"], "rotate-keys");
    assert_eq!(view["parameters"], json!({"service": "web", "unit": "dev/vpc", "file": "portcullis.hcl"}));
    assert_eq!(view["tasks"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_declared_action_does_not_take_starts_nothing() {
    let fixture = fixture().await;
    let mut wrong = Vec::new();
    for (who, body, status, code) in [
        (Who::Merge, rotate(&json!({})), 422, "PC-0120"),
        (Who::Merge, rotate(&json!({"service": "db"})), 422, "PC-0120"),
        (Who::Merge, rotate(&json!({"service": "--help"})), 422, "PC-0120"),
        (Who::Merge, rotate(&json!({"service": "web", "argv": ["-x"]})), 422, "PC-0120"),
        (Who::Merge, rotate(&json!({"service": "web", "file": "../x"})), 422, "PC-0120"),
        (Who::Merge, rotate(&json!({"service": "web", "file": "gone"})), 422, "PC-0120"),
        (Who::Merge, rotate(&json!({"service": "web", "file": "dev/link/main.tf"})), 422, "PC-0120"),
        (Who::Merge, rotate(&json!({"service": "web", "unit": "prod/vpc"})), 403, "PC-0106"),
        (Who::Merge, rotate(&json!({"service": "web", "unit": "dev/gone"})), 422, "PC-0107"),
        (Who::Merge, rotate(&json!(["service"])), 400, "PC-0101"),
        (Who::Merge, rotate(&json!({"service": [["web"]]})), 400, "PC-0101"),
        // At a commit that is not merged, or by who may not.
        (
            Who::Merge,
            json!({"action": "rotate-keys", "repository": "live", "ref": "feature", "parameters": {"service": "web"}}),
            403,
            "PC-0113",
        ),
        (Who::Ci, rotate(&json!({"service": "web"})), 403, "PC-0300"),
        // The rights first: who may not, learns nothing of what would be taken.
        (Who::Ci, rotate(&json!({"service": "nothing"})), 403, "PC-0300"),
        (
            Who::Ci,
            json!({"action": "lint", "repository": "live", "ref": "feature", "parameters": {"base": "gone"}}),
            422,
            "PC-0111",
        ),
        (
            Who::Ci,
            json!({"action": "lint", "repository": "live", "ref": "feature", "units": ["dev/vpc"]}),
            400,
            "PC-0101",
        ),
        (Who::Ci, json!({"action": "lint", "repository": "live", "ref": "feature", "all": true}), 400, "PC-0101"),
        (
            Who::Ci,
            json!({"action": "plan", "repository": "live", "ref": "feature", "parameters": {"x": "y"}}),
            400,
            "PC-0101",
        ),
        (Who::Ci, json!({"action": "talk", "repository": "live", "ref": "feature"}), 409, "PC-0121"),
        (
            Who::Ci,
            json!({"action": "build-image", "repository": "live", "ref": "feature", "parameters": {
                "repository": "git.example/acme/app", "commit": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
                "registry": "registry.example", "tag": "v1"}}),
            409,
            "PC-0121",
        ),
        (
            Who::Ci,
            json!({"action": "build-image", "repository": "live", "ref": "feature", "parameters": {"tag": "-v1"}}),
            422,
            "PC-0120",
        ),
        (Who::Ci, json!({"action": "update-variable", "repository": "live", "ref": "feature"}), 422, "PC-0100"),
    ] {
        let said = fixture.trigger(who, &body).await;
        if (said.status.as_u16(), said.code()) != (status, code) {
            wrong.push(format!("{body}: wanted {status} {code}, got {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(fixture.store.run_list(None, 10).await.unwrap().is_empty(), "something was started");
}

#[tokio::test]
async fn a_repeated_request_is_one_with_the_same_parameters() {
    let fixture = fixture().await;
    let key = [("Idempotency-Key", "k")];
    let send = async |parameters: Value| {
        fixture.send_with("POST", "/v1/runs", Some(&fixture.token(Who::Merge)), Some(&rotate(&parameters)), &key).await
    };
    let first = send(json!({"service": "web"})).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let again = send(json!({"service": "web"})).await;
    assert_eq!((again.status, &again.body["run"]["id"]), (StatusCode::OK, &first.body["run"]["id"]));
    let other = send(json!({"service": "api"})).await;
    assert_eq!((other.status.as_u16(), other.code()), (409, "PC-0115"), "{other:?}");
}

#[tokio::test]
async fn a_caller_sees_what_it_may_ask_for_and_nothing_else() {
    let fixture = fixture().await;
    let names = async |who: Who| {
        let said = fixture.send("GET", "/v1/actions", Some(&fixture.token(who)), None).await;
        assert_eq!(said.status, StatusCode::OK, "{said:?}");
        let name = |action: &Value| {
            let offered = if action["offered"] == true { "" } else { " (not offered)" };
            format!("{}{offered}", action["name"].as_str().unwrap())
        };
        said.body["actions"].as_array().unwrap().iter().map(name).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(names(Who::Ci).await, "plan, build-image (not offered), lint, talk (not offered)");
    // A merge is a job of the repository as well.
    let merge = names(Who::Merge).await;
    assert_eq!(merge, "plan, apply, build-image (not offered), lint, rotate-keys, talk (not offered)");
    assert_eq!(names(Who::Lead).await, "", "who may approve may ask for nothing");

    let said = fixture.send("GET", "/v1/actions", Some(&fixture.token(Who::Merge)), None).await;
    let rotate = said.body["actions"].as_array().unwrap().iter().find(|one| one["name"] == "rotate-keys").unwrap();
    assert_eq!(rotate["commits"], "a commit of `main`");
    let service = rotate["parameters"].as_array().unwrap().iter().find(|one| one["name"] == "service").unwrap();
    assert_eq!(
        *service,
        json!({"name": "service", "type": "enum", "takes": "one of `web`, `api`", "required": true, "fixed": false,
               "bounds": {"type": "enum", "values": ["web", "api"]}, "example": "web"})
    );
    // The example is a request that is let in.
    let example = rotate["example"].clone();
    assert_eq!(fixture.trigger(Who::Merge, &example).await.status, StatusCode::CREATED, "{example}");
}

#[tokio::test]
async fn explaining_says_what_the_request_would_come_to_and_starts_nothing() {
    let fixture = fixture().await;
    let explain = async |token: &str, body: &Value| {
        let said = fixture.send("POST", "/v1/explain", Some(token), Some(body)).await;
        assert_eq!(said.status, StatusCode::OK, "{said:?}");
        said.body
    };
    let token = fixture.token(Who::Merge);
    let body = rotate(&json!({"service": "web"}));
    let would = explain(&token, &body).await;
    assert_eq!((&would["allowed"], &would["problem"]), (&json!(true), &json!(null)), "{would}");
    assert_eq!(would["argv"], json!(["probe", "--service=web", "--", "portcullis.hcl"]));
    assert_eq!(would["commit"], fixture.repo.head().to_string());
    assert_eq!(would["principals"], json!(["live-merge"]));
    for (body, code) in [
        (rotate(&json!({"service": "db"})), "PC-0120"),
        (json!({"action": "destroy", "repository": "live", "ref": "main"}), "PC-0100"),
        (json!({"action": "talk", "repository": "live", "ref": "main"}), "PC-0121"),
        (json!({"action": "apply", "repository": "live", "ref": "feature"}), "PC-0113"),
        (json!({"action": "plan", "repository": "other", "ref": "main"}), "PC-0109"),
    ] {
        let would = explain(&token, &body).await;
        assert_eq!((&would["allowed"], &would["problem"]["code"]), (&json!(false), &json!(code)), "{would}");
    }
    let denied = explain(&fixture.token(Who::Ci), &body).await;
    assert_eq!(denied["problem"]["code"], "PC-0300");
    assert!(denied["reason"].as_str().unwrap().contains("rotate-keys needs `live-merge`"), "{denied}");
    assert!(fixture.store.run_list(None, 10).await.unwrap().is_empty(), "something was started");
    // The token that was asked with so often is as good as new, and the gate says the same.
    let said = fixture.send("POST", "/v1/runs", Some(&token), Some(&body)).await;
    assert_eq!(said.status, StatusCode::CREATED, "{said:?}");
    // A spent one still explains: nothing is started by it.
    assert_eq!(explain(&token, &body).await["allowed"], true);
}

#[tokio::test]
async fn explaining_does_not_fetch() {
    let fixture = fixture().await;
    let before = fixture.mirror.branches().await.unwrap();
    fixture.push("dev/vpc/new.tf", "");
    let body = json!({"action": "plan", "repository": "live", "ref": "main"});
    let said = fixture.send("POST", "/v1/explain", Some(&fixture.token(Who::Ci)), Some(&body)).await;
    let main = before.iter().find(|(name, _)| name.as_str() == "main").unwrap();
    assert_eq!(said.body["commit"], main.1.to_string());
    assert_eq!(fixture.mirror.branches().await.unwrap(), before);
}

/// Limits are those of the listener for these routes as well.
#[tokio::test]
async fn a_request_that_is_too_large_is_not_explained() {
    let fixture = Fixture::with(Limits::default()).await;
    let body = json!({"action": "plan", "repository": "live", "ref": "a".repeat(300 * 1024)});
    let said = fixture.send("POST", "/v1/explain", Some(&fixture.token(Who::Ci)), Some(&body)).await;
    assert_eq!((said.status.as_u16(), said.code()), (413, "PC-0102"));
}
