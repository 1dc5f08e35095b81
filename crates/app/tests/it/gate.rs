//! What the gate does with requests: idempotent ones, spent tokens, definitions that change, floods.

use portcullis_model::{BranchName, Code, CommitId, Digest};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{Fixture, Who, claims, claims_with, definition};

fn plan() -> Value {
    json!({"action": "plan", "repository": "live", "ref": "feature"})
}

#[tokio::test]
async fn a_plan_is_accepted_and_can_be_followed_with_its_read_token() {
    let fixture = Fixture::new().await;
    let said = fixture.trigger(Who::Ci, &plan()).await;
    assert_eq!(said.status, StatusCode::CREATED, "{said:?}");
    let run = said.body["run"]["id"].as_str().unwrap().to_owned();
    assert_eq!(said.headers["location"], format!("/v1/runs/{run}").as_str());
    let feature = fixture.repo.git(&["rev-parse", "feature"]);
    assert_eq!(said.body["run"]["commit"], feature.trim());
    let token = said.body["read_token"].as_str().unwrap();
    let done = fixture.until(&run, "succeeded").await;
    assert_eq!(done["tasks"].as_array().unwrap().len(), 2);
    let read = fixture.send("GET", &format!("/v1/runs/{run}"), Some(token), None).await;
    assert_eq!(read.body["state"], "succeeded");
    let decision = fixture.decisions().await.pop().unwrap();
    assert!(decision.granted && decision.asked == "plan" && decision.reason == "`live-ci` may plan", "{decision:?}");
}

#[tokio::test]
async fn a_repeated_request_gets_its_run_whatever_happened_since() {
    let fixture = Fixture::new().await;
    let key = [("idempotency-key", "job-7")];
    let token = fixture.token(Who::Ci);
    let first = fixture.send_with("POST", "/v1/runs", Some(&token), Some(&plan()), &key).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    // The branch is gone, the token is spent, and then the repository is gone as well.
    fixture.repo.git_remote(&["branch", "-D", "feature"]);
    let again = fixture.send_with("POST", "/v1/runs", Some(&token), Some(&plan()), &key).await;
    assert_eq!((again.status, &again.body["run"]["id"]), (StatusCode::OK, &first.body["run"]["id"]), "{again:?}");
    assert!(again.body.get("read_token").is_none());
    std::fs::remove_dir_all(fixture.repo.remote()).unwrap();
    let fresh = fixture.token(Who::Ci);
    let again = fixture.send_with("POST", "/v1/runs", Some(&fresh), Some(&plan()), &key).await;
    assert_eq!((again.status, &again.body["run"]["id"]), (StatusCode::OK, &first.body["run"]["id"]), "{again:?}");
    // The fresh token counts as used by it, and sending the same over and over leaves one row.
    let rows = fixture.decisions().await.len();
    let spent = fixture.send("POST", "/v1/runs", Some(&fresh), Some(&plan())).await;
    assert_eq!(spent.code(), Code::TOKEN_REPLAYED.to_string());
    for _ in 0..5 {
        fixture.send_with("POST", "/v1/runs", Some(&fresh), Some(&plan()), &key).await;
    }
    assert_eq!(fixture.decisions().await.len(), rows + 1, "the refusal alone");
}

#[tokio::test]
async fn an_idempotency_key_is_its_callers_own() {
    let fixture = Fixture::new().await;
    let key = [("idempotency-key", "job-7")];
    let first = fixture.send_with("POST", "/v1/runs", Some(&fixture.token(Who::Ci)), Some(&plan()), &key).await;
    let body = json!({"action": "plan", "repository": "live", "ref": "main"});
    let other = fixture.send_with("POST", "/v1/runs", Some(&fixture.token(Who::Ci)), Some(&body), &key).await;
    assert_eq!((other.status, other.code()), (StatusCode::CONFLICT, "PC-0115"), "{other:?}");
    assert_eq!(fixture.decisions().await[0].code, Some(Code::IDEMPOTENCY_CONFLICT));
    // Another identity with the same key asks for something of its own.
    let merge = fixture.send_with("POST", "/v1/runs", Some(&fixture.token(Who::Merge)), Some(&plan()), &key).await;
    assert_eq!(merge.status, StatusCode::CREATED, "{merge:?}");
    assert_ne!(merge.body["run"]["id"], first.body["run"]["id"]);
    // Who is nobody here learns nothing by it.
    let stranger =
        fixture.send_with("POST", "/v1/runs", Some(&fixture.token(Who::Stranger)), Some(&plan()), &key).await;
    assert_eq!(stranger.code(), Code::DENIED.to_string());
}

/// Whether the runner's mirror is up to date: whether it fetched.
async fn has(fixture: &Fixture, commit: &CommitId) -> bool {
    fixture.mirror.branch(&BranchName::parse("main").unwrap()).await.unwrap() == *commit
}

#[tokio::test]
async fn strangers_cannot_make_the_runner_fetch() {
    let fixture = Fixture::new().await;
    let commit = fixture.push("note.txt", "new");
    let ci = fixture.token(Who::Ci);
    let (head, signature) = ci.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let expired = fixture.issuer.mint(json!({"aud": crate::fixture::AUDIENCE, "exp": 1}));
    for token in [None, Some("x"), Some(&*forged), Some(&*expired), Some(&*fixture.token(Who::Stranger))] {
        for path in ["/v1/runs", "/v1/runs/01890000-0000-7000-8000-000000000000/approve"] {
            let said = fixture.send("POST", path, token, Some(&plan())).await;
            assert!(said.status == 401 || said.status == 403, "{said:?}");
        }
        fixture.send("GET", "/v1/units", token, None).await;
        assert!(!has(&fixture, &commit).await, "fetched for {token:?}");
    }
    fixture.started(Who::Ci, &plan()).await;
    assert!(has(&fixture, &commit).await, "a principal makes it fetch");
    // A token that was spent is nobody's any more.
    let token = fixture.token(Who::Ci);
    fixture.send("POST", "/v1/runs", Some(&token), Some(&plan())).await;
    let commit = fixture.push("note.txt", "newer");
    let said = fixture.send("POST", "/v1/runs", Some(&token), Some(&plan())).await;
    assert_eq!(said.code(), Code::TOKEN_REPLAYED.to_string());
    assert!(!has(&fixture, &commit).await);
}

#[tokio::test]
async fn rights_are_those_of_the_protected_branch_now() {
    let fixture = Fixture::new().await;
    // Taken away: a known principal is judged by the head.
    let without = definition(fixture.issuer.url()).replacen("allow = [\"live-ci\"]", "allow = [\"live-merge\"]", 1);
    fixture.push("portcullis.hcl", &without);
    let said = fixture.trigger(Who::Ci, &plan()).await;
    assert_eq!(said.code(), Code::DENIED.to_string(), "{said:?}");
    // A branch cannot give itself a right.
    fixture.repo.switch("feature");
    fixture.push("portcullis.hcl", &definition(fixture.issuer.url()));
    let said = fixture.trigger(Who::Ci, &plan()).await;
    assert_eq!(said.code(), Code::DENIED.to_string(), "{said:?}");
}

#[tokio::test]
async fn a_new_principal_is_found_once_the_repository_may_be_looked_at_again() {
    let fixture = Fixture::new().await;
    let with = definition(fixture.issuer.url()).replace("repository_id = \"8210441\" }", "repository_id = \"666\" }");
    fixture.push("portcullis.hcl", &with);
    let said = fixture.trigger(Who::Stranger, &plan()).await;
    assert_eq!(said.code(), Code::DENIED.to_string(), "the repository was looked at a moment ago");
    fixture.definitions.forget_last_look();
    let said = fixture.trigger(Who::Stranger, &plan()).await;
    assert_eq!(said.status, StatusCode::CREATED, "{said:?}");
}

#[tokio::test]
async fn a_flood_of_refusals_leaves_few_rows_and_says_how_many_it_left_out() {
    let fixture = Fixture::new().await;
    for _ in 0..150 {
        fixture.send("GET", "/v1/runs", Some("x"), None).await;
    }
    let rows = fixture.decisions().await;
    assert_eq!(rows.len(), 100);
    assert!(rows.iter().all(|row| row.asked == "read" && row.code == Some(Code::UNAUTHENTICATED)), "{:?}", rows[0]);
    // Callers whose token holds have a budget of their own.
    let said = fixture.send("GET", "/v1/runs", Some(&fixture.token(Who::Stranger)), None).await;
    assert_eq!(said.code(), Code::DENIED.to_string());
    assert_eq!(fixture.decisions().await[0].subject.as_deref(), Some("stranger"));
}

#[tokio::test]
async fn who_asked_for_a_run_may_not_approve_it() {
    let fixture = Fixture::new().await;
    // Somebody who may do both.
    let both = |sub: &str| {
        let mut claims = claims(Who::Merge);
        claims["actor"] = json!(sub);
        claims["sub"] = json!(sub);
        fixture.issuer.mint(claims)
    };
    let body = json!({"action": "apply", "repository": "live", "ref": "main"});
    let said = fixture.send("POST", "/v1/runs", Some(&both("ada")), Some(&body)).await;
    assert_eq!(said.status, StatusCode::CREATED, "{said:?}");
    let run = said.body["run"]["id"].as_str().unwrap().to_owned();
    let held = fixture.until(&run, "held").await;
    let plan = held["tasks"][1]["held_plan"].clone();
    let approve = format!("/v1/runs/{run}/approve");
    let own = fixture.send("POST", &approve, Some(&both("ada")), Some(&json!({"plans": [plan]}))).await;
    assert_eq!((own.status, own.code()), (StatusCode::FORBIDDEN, "PC-0301"), "{own:?}");
    let merge = fixture.send("POST", &approve, Some(&fixture.token(Who::Merge)), Some(&json!({"plans": [plan]}))).await;
    assert_eq!(merge.code(), "PC-0301", "{merge:?}");
    let token = both("grace");
    let other = fixture.send("POST", &approve, Some(&token), Some(&json!({"plans": [plan]}))).await;
    assert_eq!(other.status, StatusCode::OK, "{other:?}");
    fixture.until(&run, "succeeded").await;
    let spent = fixture.send("POST", "/v1/runs", Some(&token), Some(&body)).await;
    assert_eq!(spent.code(), Code::TOKEN_REPLAYED.to_string());
}

#[tokio::test]
async fn who_had_a_hand_in_a_change_may_not_approve_it() {
    let fixture = Fixture::new().await;
    // The same person by another claim than the subject: a job of theirs merged it.
    let merger = claims_with(Who::Merge, &json!({"actor": "ada", "actor_id": 7}));
    let body = json!({"action": "apply", "repository": "live", "ref": "main"});
    let said = fixture.send("POST", "/v1/runs", Some(&fixture.issuer.mint(merger)), Some(&body)).await;
    assert_eq!(said.status, StatusCode::CREATED, "{said:?}");
    let run = said.body["run"]["id"].as_str().unwrap().to_owned();
    let held = fixture.until(&run, "held").await;
    let plans = json!({"plans": [held["tasks"][1]["held_plan"]]});
    let author = fixture.repo.git(&["log", "-1", "--format=%ae"]).trim().to_uppercase();
    for own in [
        json!({"actor": "ada", "sub": "x"}),
        json!({"actor": "grace", "actor_id": "7"}),
        // Who wrote the commit, by their address.
        json!({"actor": "grace", "email": author}),
    ] {
        let token = fixture.issuer.mint(claims_with(Who::Lead, &own));
        let said = fixture.send("POST", &format!("/v1/runs/{run}/approve"), Some(&token), Some(&plans)).await;
        assert_eq!((said.status, said.code()), (StatusCode::FORBIDDEN, "PC-0301"), "{own}: {said:?}");
        assert_eq!(fixture.decisions().await[0].reason, "the approver had a hand in the change");
    }
    let token = fixture.issuer.mint(claims_with(Who::Lead, &json!({"actor": "grace", "sub": "grace", "email": "g@x"})));
    let said = fixture.send("POST", &format!("/v1/runs/{run}/approve"), Some(&token), Some(&plans)).await;
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    let granted = fixture.decisions().await.remove(0);
    assert_eq!(json!(granted.plans), plans["plans"], "the record names what was approved");
    fixture.until(&run, "succeeded").await;
}

#[tokio::test]
async fn a_refused_token_is_on_record_by_its_digest_alone() {
    let fixture = Fixture::new().await;
    let token = fixture.token(Who::Stranger);
    fixture.send("GET", "/v1/runs", Some(&token), None).await;
    let row = fixture.decisions().await.remove(0);
    assert_eq!(row.token, Some(Digest::of(token.as_bytes())));
    assert_eq!(row.definition, fixture.definitions.in_force().map(|definition| definition.digest));
    let ledger = fixture.store.ledger().page(0, 1000).await.unwrap();
    let signature = token.rsplit('.').next().unwrap();
    assert!(ledger.iter().all(|entry| !entry.text.contains(signature)));
}
