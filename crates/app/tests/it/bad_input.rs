//! Everything that a caller, a token, a repository or the world can get wrong: each is refused with its own code,
//! before anything is started.

use portcullis_model::Code;
use portcullis_model::api::BODY_MAX_BYTES;
use portcullis_testkit::hostile::hostile_tokens;
use portcullis_testkit::issuer::{Answer, FakeIssuer};
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use crate::fixture::{Fixture, Who, claims, definition, repository};

fn request(changes: &Value) -> Value {
    let mut request = json!({"action": "plan", "repository": "live", "ref": "feature"});
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            request.as_object_mut().unwrap().remove(name);
        } else {
            request[name] = value.clone();
        }
    }
    request
}

#[tokio::test]
async fn requests_are_refused_each_for_its_own_reason() {
    let fixture = Fixture::new().await;
    let long = "a".repeat(300);
    let mut wrong = Vec::new();
    for (changes, status, code) in [
        (json!({"action": "destroy"}), 422, "PC-0100"),
        (json!({"action": ""}), 422, "PC-0100"),
        (json!({"action": "Plan"}), 422, "PC-0100"),
        (json!({"action": "plan; rm -rf /"}), 422, "PC-0100"),
        (json!({"action": null}), 400, "PC-0101"),
        (json!({"ref": null}), 400, "PC-0101"),
        (json!({"repository": null}), 400, "PC-0101"),
        (json!({"args": ["-destroy"]}), 400, "PC-0101"),
        (json!({"env": {"TF_LOG": "trace"}}), 400, "PC-0101"),
        (json!({"Action": "plan"}), 400, "PC-0101"),
        (json!({"action": ["plan"]}), 400, "PC-0101"),
        (json!({"ref": 1}), 400, "PC-0101"),
        (json!({"units": "dev/vpc"}), 400, "PC-0101"),
        (json!({"units": [1]}), 400, "PC-0101"),
        (json!({"units": []}), 400, "PC-0101"),
        (json!({"units": vec!["dev/vpc"; 1001]}), 400, "PC-0101"),
        (json!({"units": ["dev/vpc"], "all": true}), 400, "PC-0101"),
        (json!({"all": "true"}), 400, "PC-0101"),
        (json!({"repository": "acme/live"}), 400, "PC-0103"),
        (json!({"repository": "https://evil.example/live"}), 400, "PC-0103"),
        (json!({"repository": "../live"}), 400, "PC-0103"),
        (json!({"repository": "--upload-pack=x"}), 400, "PC-0103"),
        (json!({"repository": long}), 400, "PC-0103"),
        (json!({"repository": "app"}), 403, "PC-0109"),
        (json!({"units": ["../prod/vpc"]}), 400, "PC-0105"),
        (json!({"units": ["dev/../prod/vpc"]}), 400, "PC-0105"),
        (json!({"units": ["/dev/vpc"]}), 400, "PC-0105"),
        (json!({"units": ["dev//vpc"]}), 400, "PC-0105"),
        (json!({"units": ["dev/vpc/"]}), 400, "PC-0105"),
        (json!({"units": ["dev/./vpc"]}), 400, "PC-0105"),
        (json!({"units": ["-destroy"]}), 400, "PC-0105"),
        (json!({"units": ["dev\\vpc"]}), 400, "PC-0105"),
        (json!({"units": ["dev/vpc\u{0}"]}), 400, "PC-0105"),
        (json!({"units": [".git/hooks"]}), 400, "PC-0105"),
        (json!({"units": [""]}), 400, "PC-0105"),
        (json!({"units": ["dev/vpc", ".."]}), 400, "PC-0105"),
        (json!({"units": ["prod/vpc"]}), 403, "PC-0106"),
        (json!({"units": ["dev2/vpc"]}), 403, "PC-0106"),
        (json!({"units": ["."]}), 403, "PC-0106"),
        (json!({"units": ["dev/nothing"]}), 422, "PC-0107"),
        (json!({"units": ["dev/VPC"]}), 422, "PC-0107"),
        (json!({"units": ["dev/README.md"]}), 422, "PC-0107"),
        (json!({"units": ["dev/vpc/main.tf"]}), 422, "PC-0107"),
        (json!({"units": ["dev/current"]}), 422, "PC-0108"),
        (json!({"units": ["dev/other"]}), 422, "PC-0108"),
        (json!({"units": ["dev/current/x"]}), 422, "PC-0108"),
        (json!({"ref": "--upload-pack=touch /tmp/x"}), 400, "PC-0110"),
        (json!({"ref": "-"}), 400, "PC-0110"),
        (json!({"ref": ""}), 400, "PC-0110"),
        (json!({"ref": "HEAD"}), 400, "PC-0110"),
        (json!({"ref": "main~1"}), 400, "PC-0110"),
        (json!({"ref": "main..feature"}), 400, "PC-0110"),
        (json!({"ref": "main@{1}"}), 400, "PC-0110"),
        (json!({"ref": "refs/heads/refs/heads/main"}), 400, "PC-0110"),
        (json!({"ref": "refs/heads/--x"}), 400, "PC-0110"),
        (json!({"ref": "a\nb"}), 400, "PC-0110"),
        (json!({"ref": long}), 400, "PC-0110"),
        (json!({"ref": "nowhere"}), 422, "PC-0111"),
        (json!({"ref": "Feature"}), 422, "PC-0111"),
        (json!({"ref": fixture.repo.head().to_string()}), 422, "PC-0111"),
        (json!({"ref": "v1"}), 422, "PC-0112"),
        (json!({"ref": "refs/tags/v1"}), 422, "PC-0112"),
        (json!({"ref": "refs/pull/1/head"}), 422, "PC-0112"),
        (json!({"ref": "refs/remotes/origin/main"}), 422, "PC-0112"),
    ] {
        let said = fixture.trigger(Who::Ci, &request(&changes)).await;
        if (said.status.as_u16(), said.code()) != (status, code) {
            wrong.push(format!("{changes}: {} {}, wanted {status} {code}", said.status, said.body));
        }
        let shown = said.body.to_string();
        if shown.len() > 1500 || shown.chars().any(|c| c.is_control() && c != '\n') {
            wrong.push(format!("{changes}: what was sent comes back: {shown}"));
        }
        let row = fixture.decisions().await.remove(0);
        // A body that cannot be read asks nothing of the gate.
        if code != "PC-0101" && row.code.map(|row| row.to_string()).as_deref() != Some(code) {
            wrong.push(format!("{changes}: on record is {row:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(fixture.store.run_list(None, 10).await.unwrap().is_empty(), "nothing was started");
}

#[tokio::test]
async fn only_what_is_on_the_protected_branch_is_applied() {
    let fixture = Fixture::new().await;
    let apply = |branch: &str| json!({"action": "apply", "repository": "live", "ref": branch});
    let said = fixture.trigger(Who::Merge, &apply("feature")).await;
    assert_eq!((said.status.as_u16(), said.code()), (403, "PC-0113"), "{said:?}");
    assert!(said.body["detail"].as_str().unwrap().contains("is not on `main`"), "{said:?}");
    // A squash leaves the branch's own commits outside.
    fixture.repo.squash_merge("feature", "merged");
    fixture.repo.push();
    let said = fixture.trigger(Who::Merge, &apply("feature")).await;
    assert_eq!(said.code(), "PC-0113");
    fixture.started(Who::Merge, &apply("main")).await;
    // A branch whose head is on the protected branch is as good as that.
    fixture.started(Who::Merge, &apply("slow")).await;
    // A tag beside it changes nothing.
    fixture.repo.git(&["tag", "feature", "main"]);
    fixture.repo.push();
    assert_eq!(fixture.trigger(Who::Merge, &apply("feature")).await.code(), "PC-0113");
    assert_eq!(fixture.trigger(Who::Ci, &apply("main")).await.code(), "PC-0300");
}

#[tokio::test]
async fn bodies_are_json_of_a_size() {
    let fixture = Fixture::new().await;
    let post = async |body: Vec<u8>, kind: &str| {
        let request = reqwest::Client::new().post(format!("{}/v1/runs", fixture.url));
        let request = request.bearer_auth(fixture.token(Who::Ci)).header("content-type", kind).body(body);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap()["code"].as_str().unwrap_or("none").to_owned())
    };
    let json = "application/json";
    let good = request(&json!({})).to_string();
    let padded = |size: usize| format!("{good}{}", " ".repeat(size - good.len())).into_bytes();
    assert_eq!(post(padded(BODY_MAX_BYTES), json).await, (201, "none".to_owned()));
    assert_eq!(post(padded(BODY_MAX_BYTES + 1), json).await, (413, "PC-0102".to_owned()));
    let bad = (400, "PC-0101".to_owned());
    assert_eq!(post(good.clone().into_bytes(), "text/plain").await, bad);
    assert_eq!(post(good.clone().into_bytes(), "application/x-www-form-urlencoded").await, bad);
    let twice = good.replace("\"plan\"", "\"plan\", \"action\": \"apply\"");
    let deep = format!("{{\"units\": {}", "[".repeat(100_000));
    for body in [&b""[..], b"{", b"null", b"[]", b"\xff\xfe", twice.as_bytes(), deep.as_bytes(), b"{} {}"] {
        assert_eq!(post(body.to_vec(), json).await, bad, "{:?}", String::from_utf8_lossy(&body[..body.len().min(60)]));
    }
    let token = fixture.token(Who::Ci);
    for key in ["", "two words", &"k".repeat(201), "ü"] {
        let (body, headers) = (request(&json!({})), [("idempotency-key", key)]);
        let said = fixture.send_with("POST", "/v1/runs", Some(&token), Some(&body), &headers).await;
        assert_eq!(said.code(), "PC-0101", "{key:?}");
    }
}

#[tokio::test]
async fn hostile_tokens_are_refused_at_the_gate_as_well() {
    let fixture = Fixture::new().await;
    let mut wrong = Vec::new();
    let mut sent = 0;
    for case in hostile_tokens(&fixture.issuer, &claims(Who::Ci)) {
        // What cannot be in a header never arrives; space around a header's value is not part of it.
        if HeaderValue::from_str(&case.token).is_err() || case.token.trim() != case.token {
            continue;
        }
        sent += 1;
        let said = fixture.send("POST", "/v1/runs", Some(&case.token), Some(&request(&json!({})))).await;
        if (said.status, said.code()) != (StatusCode::UNAUTHORIZED, &*case.code.to_string()) {
            wrong.push(format!("{}: {} {}, wanted {}", case.name, said.status, said.body, case.code));
        }
        if case.token.len() > 100 && said.body.to_string().contains(&case.token[case.token.len() - 60..]) {
            wrong.push(format!("{}: the token comes back", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(sent > 60);
    assert!(fixture.store.run_list(None, 10).await.unwrap().is_empty());
    let used = fixture.token(Who::Ci);
    assert_eq!(fixture.send("POST", "/v1/runs", Some(&used), Some(&request(&json!({})))).await.status, 201);
    let said = fixture.send("POST", "/v1/runs", Some(&used), Some(&request(&json!({})))).await;
    assert_eq!((said.status.as_u16(), said.code()), (401, "PC-0208"));
}

#[tokio::test]
async fn headers_that_carry_no_token_are_refused() {
    let fixture = Fixture::new().await;
    for header in ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "token abc", "Bearer\u{9}x"] {
        let said = fixture.send_with("GET", "/v1/runs", None, None, &[("authorization", header)]).await;
        assert_eq!((said.status.as_u16(), said.code()), (401, "PC-0200"), "{header:?}");
    }
    let token = fixture.token(Who::Ci);
    let twice = format!("Bearer {token}");
    let said = fixture.send_with("GET", "/v1/runs", Some(&token), None, &[("authorization", &twice)]).await;
    assert_eq!(said.code(), "PC-0200");
    let query = fixture.send("GET", &format!("/v1/runs?access_token={token}"), None, None).await;
    assert_eq!(query.code(), "PC-0200", "a token is never in a URL");
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_are_the_worlds_fault_and_not_the_callers() {
    let fixture = Fixture::new().await;
    fixture.issuer.answer(Answer::Status(503));
    let said = fixture.trigger(Who::Ci, &request(&json!({}))).await;
    assert_eq!((said.status.as_u16(), said.code()), (503, "PC-0210"), "{said:?}");
    assert_eq!(said.headers["retry-after"], "2");
}

#[tokio::test]
async fn a_definition_with_a_fault_is_shown_and_the_last_good_one_stays() {
    let fixture = Fixture::new().await;
    let good = definition(fixture.issuer.url());
    let tools = |tool: &str| {
        good.replacen("repository \"live\"", &format!("tools {{\n    {tool}\n  }}\n  repository \"live\""), 1)
    };
    let zeros = "0".repeat(64);
    for (bad, code) in [
        (format!("{good}\nwebhook \"x\" {{}}\n"), Code::FLEET_UNKNOWN_BLOCK),
        (good.replace("approvers =", "aprovers ="), Code::FLEET_UNKNOWN_BLOCK),
        (good.replace("account \"prod\"", "account \"dev\""), Code::FLEET_DUPLICATE),
        (good.replace("  id   = \"333333333333\"\n", ""), Code::FLEET_ACCOUNT_WITHOUT_ID),
        (format!("{good}\n}}"), Code::FLEET_SYNTAX),
        (good.replace("allow = [\"live-ci\"]", "allow = [\"ghost\"]"), Code::FLEET_UNKNOWN_NAME),
        (good.replace("actor = [\"ada\"", "actor = [\"*\""), Code::FLEET_TYPE),
        (good.replace("account \"dev\"", "account \"development\""), Code::FLEET_ACCOUNT_UNKNOWN),
        (good.replace("allow     = [\"live-merge\"]", "allow     = []"), Code::FLEET_LOCKS_OUT),
        (format!("{good}\nimport \"x\" {{\n  path = \"nowhere.hcl\"\n}}\n"), Code::FLEET_IMPORT),
        (tools("terraform = { version = \"1.0.0\" }"), Code::TOOL_MISSING),
        (tools(&format!("terraform = {{ version = \"1.11.4\", sha256 = \"{zeros}\" }}")), Code::TOOL_DIGEST),
    ] {
        assert_ne!(bad, good);
        fixture.push("portcullis.hcl", &bad);
        fixture.started(Who::Ci, &request(&json!({}))).await;
        for path in ["/v1/readyz", "/v1/healthz"] {
            let health = fixture.send("GET", path, None, None).await;
            assert_eq!(
                (health.status.as_u16(), &health.body["status"]),
                (200, &json!("degraded")),
                "{code}: {health:?}"
            );
            assert!(health.body["problems"][0].as_str().unwrap().contains(&format!("[{code}]")), "{code}: {health:?}");
        }
    }
    fixture.repo.remove("portcullis.hcl");
    fixture.repo.commit("no definition");
    fixture.repo.push();
    fixture.started(Who::Ci, &request(&json!({}))).await;
    let health = fixture.send("GET", "/v1/readyz", None, None).await;
    assert!(health.body["problems"][0].as_str().unwrap().contains("PC-0507"), "{health:?}");
    fixture.push("portcullis.hcl", &good);
    fixture.started(Who::Ci, &request(&json!({}))).await;
    let health = fixture.send("GET", "/v1/readyz", None, None).await;
    assert_eq!((&health.body["status"], health.body.get("problems")), (&json!("ok"), None));
}

#[tokio::test]
async fn without_any_good_definition_nothing_is_decided() {
    let issuer = FakeIssuer::start();
    let repo = repository(issuer.url());
    repo.write("portcullis.hcl", "account {");
    repo.commit("broken");
    repo.push();
    let fixture = Fixture::over(repo, issuer, tempfile::tempdir().unwrap()).await;
    let ready = fixture.send("GET", "/v1/readyz", None, None).await;
    assert_eq!((ready.status.as_u16(), &ready.body["status"]), (503, &json!("starting")), "{ready:?}");
    assert!(ready.body["problems"][0].as_str().unwrap().contains("PC-0500"), "{ready:?}");
    assert_eq!(fixture.send("GET", "/v1/healthz", None, None).await.status, 200);
    for (method, path) in [("POST", "/v1/runs"), ("GET", "/v1/runs"), ("GET", "/v1/units")] {
        let said = fixture.send(method, path, Some(&fixture.token(Who::Ci)), Some(&request(&json!({})))).await;
        assert_eq!((said.status.as_u16(), said.code()), (503, "PC-0908"), "{method} {path}: {said:?}");
    }
    // Mended, it is found as soon as the repository may be looked at again.
    fixture.push("portcullis.hcl", &definition(fixture.issuer.url()));
    fixture.definitions.forget_last_look();
    fixture.started(Who::Ci, &request(&json!({}))).await;
}

#[tokio::test]
async fn a_repository_that_is_gone_refuses_and_is_shown() {
    let fixture = Fixture::new().await;
    let away = fixture.repo.remote().with_extension("away");
    std::fs::rename(fixture.repo.remote(), &away).unwrap();
    let said = fixture.trigger(Who::Ci, &request(&json!({}))).await;
    assert_eq!((said.status.as_u16(), said.code()), (502, "PC-0800"), "{said:?}");
    let health = fixture.send("GET", "/v1/readyz", None, None).await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (200, &json!("degraded")));
    std::fs::rename(&away, fixture.repo.remote()).unwrap();
    fixture.started(Who::Ci, &request(&json!({}))).await;
    assert_eq!(fixture.send("GET", "/v1/readyz", None, None).await.body["status"], "ok");
}

#[tokio::test]
async fn units_with_faults_and_units_that_are_gone_are_listed_as_such() {
    let fixture = Fixture::new().await;
    for (unit, text) in [
        ("syntax", "inputs = {"),
        ("missing", "include \"root\" {\n  path = \"../nowhere.hcl\"\n}\n"),
        ("circle-a", "dependency \"b\" {\n  config_path = \"../circle-b\"\n}\n"),
        ("circle-b", "dependency \"a\" {\n  config_path = \"../circle-a\"\n}\n"),
        ("self", "include \"self\" {\n  path = \"terragrunt.hcl\"\n}\n"),
        ("nothing", "dependency \"x\" {\n  config_path = \"../no-unit\"\n}\n"),
    ] {
        fixture.repo.write(&format!("dev/{unit}/terragrunt.hcl"), text);
        fixture.repo.write(&format!("dev/{unit}/main.tf"), "");
    }
    fixture.push("dev/no-unit/notes.txt", "x");
    fixture.applied("dev/gone").await;
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = fixture.send("GET", &format!("/v1/units?limit=3{after}"), Some(&fixture.token(Who::Ci)), None).await;
        assert_eq!(page.status, 200, "{page:?}");
        for unit in page.body["units"].as_array().unwrap() {
            let code = unit["faults"][0]["code"].as_str().unwrap_or_default();
            found.push(format!("{} {} {code}", unit["path"].as_str().unwrap(), unit["status"].as_str().unwrap()));
        }
        match page.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(
        found,
        [
            "dev/circle-a broken PC-0412",
            "dev/circle-b broken PC-0412",
            "dev/db needs-apply ",
            "dev/gone needs-destroy ",
            "dev/missing broken PC-0410",
            "dev/nothing broken PC-0413",
            "dev/self broken PC-0411",
            "dev/syntax broken PC-0400",
            "dev/vpc needs-apply ",
        ]
    );
}
