//! A hostile CI job at the gate: what it can send with a token of its own, with one that it found, and at the same
//! moment as somebody else.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use portcullis_model::Code;
use portcullis_testkit::issuer::{Algorithm, Answer};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{AUDIENCE, Fixture, Who, claims};

fn plan() -> Value {
    json!({"action": "plan", "repository": "live", "ref": "feature"})
}

/// Sends many at once; the answers.
async fn at_once(fixture: &Fixture, count: usize, token: &str, headers: &[(&str, &str)]) -> Vec<(u16, String, String)> {
    let body = plan();
    let all = (0..count).map(|_| fixture.send_with("POST", "/v1/runs", Some(token), Some(&body), headers));
    let answers = join_all(all).await;
    let id = |body: &Value| body["run"]["id"].as_str().unwrap_or_default().to_owned();
    answers.iter().map(|said| (said.status.as_u16(), said.code().to_owned(), id(&said.body))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_starts_one_run_however_many_try() {
    let fixture = Fixture::new().await;
    let answers = at_once(&fixture, 16, &fixture.token(Who::Ci), &[]).await;
    let created = answers.iter().filter(|(status, ..)| *status == 201).count();
    let replayed = answers.iter().filter(|(status, code, _)| *status == 401 && code == "PC-0208").count();
    assert_eq!((created, replayed), (1, 15), "{answers:?}");
    assert_eq!(fixture.store.run_list(None, 50).await.unwrap().len(), 1);
    let rows = fixture.decisions().await;
    assert_eq!(rows.iter().filter(|row| row.granted).count(), 1);
    assert_eq!(rows.iter().filter(|row| row.code == Some(Code::TOKEN_REPLAYED)).count(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_starts_one_run_however_often_it_is_sent() {
    let fixture = Fixture::new().await;
    let answers = at_once(&fixture, 16, &fixture.token(Who::Ci), &[("idempotency-key", "job-7")]).await;
    assert!(answers.iter().all(|(status, ..)| *status == 200 || *status == 201), "{answers:?}");
    assert_eq!(answers.iter().filter(|(status, ..)| *status == 201).count(), 1, "one is told the read token");
    assert_eq!(answers.iter().map(|(.., run)| run).collect::<BTreeSet<_>>().len(), 1, "{answers:?}");
    assert_eq!(fixture.store.run_list(None, 50).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_does_one_thing_of_several() {
    let fixture = Fixture::new().await;
    let slow = json!({"action": "plan", "repository": "live", "ref": "slow"});
    let (run, _) = fixture.started(Who::Ci, &slow).await;
    let token = fixture.token(Who::Ci);
    let body = plan();
    let cancel = format!("/v1/runs/{run}/cancel");
    let (a, b) = tokio::join!(
        fixture.send("POST", "/v1/runs", Some(&token), Some(&body)),
        fixture.send("POST", &cancel, Some(&token), None),
    );
    let done = [&a, &b].into_iter().filter(|said| said.status.is_success()).count();
    let replayed = [&a, &b].into_iter().filter(|said| said.code() == "PC-0208").count();
    assert_eq!((done, replayed), (1, 1), "{a:?} {b:?}");
}

#[tokio::test]
async fn a_token_that_was_printed_gains_nothing_beyond_its_job() {
    let fixture = Fixture::new().await;
    let token = fixture.token(Who::Ci);
    // Before the job has used it: an apply, an approval, another account.
    let apply = json!({"action": "apply", "repository": "live", "ref": "main"});
    assert_eq!(fixture.send("POST", "/v1/runs", Some(&token), Some(&apply)).await.code(), "PC-0300");
    let prod = json!({"action": "plan", "repository": "live", "ref": "feature", "units": ["prod/vpc"]});
    assert_eq!(fixture.send("POST", "/v1/runs", Some(&token), Some(&prod)).await.code(), "PC-0106");
    let (held, _) = fixture.started(Who::Merge, &apply).await;
    let view = fixture.until(&held, "held").await;
    let approve = json!({"plans": [view["tasks"][1]["held_plan"]]});
    let said = fixture.send("POST", &format!("/v1/runs/{held}/approve"), Some(&token), Some(&approve)).await;
    assert_eq!(said.code(), "PC-0301");
    let said = fixture.send("POST", &format!("/v1/runs/{held}/cancel"), Some(&token), None).await;
    assert_eq!(said.code(), "PC-0300", "a plan's job may not cancel an apply");
    // None of the refusals has spent it, its own use does.
    assert_eq!(fixture.send("POST", "/v1/runs", Some(&token), Some(&plan())).await.status, StatusCode::CREATED);
    assert_eq!(fixture.send("POST", "/v1/runs", Some(&token), Some(&plan())).await.code(), "PC-0208");
    // The twin of an ECDSA signature, another spelling of the same claims: the same token.
    let named = |sub: &str| {
        let mut claims = claims(Who::Ci);
        claims["jti"] = json!("one");
        claims["sub"] = json!(sub);
        fixture.issuer.mint_with(Algorithm::Es256, claims)
    };
    assert_eq!(fixture.send("POST", "/v1/runs", Some(&named("a")), Some(&plan())).await.status, StatusCode::CREATED);
    assert_eq!(fixture.send("POST", "/v1/runs", Some(&named("a")), Some(&plan())).await.code(), "PC-0208");
    assert_eq!(fixture.send("POST", "/v1/runs", Some(&named("b")), Some(&plan())).await.code(), "PC-0208");
}

#[tokio::test]
async fn approvals_name_plans_that_are_held_now_and_count_once() {
    let fixture = Fixture::new().await;
    let apply = json!({"action": "apply", "repository": "live", "ref": "main"});
    let (run, _) = fixture.started(Who::Merge, &apply).await;
    let view = fixture.until(&run, "held").await;
    let path = format!("/v1/runs/{run}/approve");
    let held = view["tasks"][1]["held_plan"].as_str().unwrap();
    let other = "0".repeat(64);
    for (plans, status, code) in [
        (json!([]), 400, "PC-0101"),
        (json!(vec![held; 1001]), 400, "PC-0101"),
        (json!([&held[..10]]), 400, "PC-0104"),
        (json!([format!("{held}0")]), 400, "PC-0104"),
        (json!([other]), 409, "PC-0706"),
        (json!([held, other]), 409, "PC-0706"),
    ] {
        let said = fixture.send("POST", &path, Some(&fixture.token(Who::Lead)), Some(&json!({"plans": plans}))).await;
        let shown: String = plans.to_string().chars().take(90).collect();
        assert_eq!((said.status.as_u16(), said.code()), (status, code), "{shown}: {said:?}");
    }
    let body = json!({"plans": [held]});
    let (plan_run, _) = fixture.started(Who::Ci, &json!({"action": "plan", "repository": "live", "ref": "slow"})).await;
    fixture.until(&plan_run, "running").await;
    let elsewhere = format!("/v1/runs/{plan_run}/approve");
    let said = fixture.send("POST", &elsewhere, Some(&fixture.token(Who::Lead)), Some(&body)).await;
    assert_eq!(said.code(), "PC-0301", "nobody may approve a plan's run");
    // It holds the unit that is to be applied.
    let said = fixture.send("POST", &format!("/v1/runs/{plan_run}/cancel"), Some(&fixture.token(Who::Ci)), None).await;
    assert_eq!(said.status, 200, "{said:?}");
    let token = fixture.token(Who::Lead);
    let (a, b) = tokio::join!(
        fixture.send("POST", &path, Some(&token), Some(&body)),
        fixture.send("POST", &path, Some(&token), Some(&body)),
    );
    assert_eq!([&a, &b].into_iter().filter(|said| said.status == 200).count(), 1, "{a:?} {b:?}");
    fixture.until(&run, "succeeded").await;
    let late = fixture.send("POST", &path, Some(&fixture.token(Who::Lead)), Some(&body)).await;
    assert_eq!((late.status.as_u16(), late.code()), (409, "PC-0118"));
}

#[tokio::test]
async fn ids_have_one_spelling_and_lead_nowhere_else() {
    let fixture = Fixture::new().await;
    let (run, token) = fixture.started(Who::Ci, &plan()).await;
    fixture.until(&run, "succeeded").await;
    let simple = run.replace('-', "");
    for id in [
        "x",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "%ff",
        "0",
        "-1",
        "1%27%20OR%20%271%27=%271",
        &run.to_uppercase(),
        &simple,
        &format!("%7B{run}%7D"),
        &format!("urn:uuid:{run}"),
        &format!("{run}%20"),
        &format!("{run}%00"),
        &format!("{run}%2fevents"),
    ] {
        for path in [format!("/v1/runs/{id}"), format!("/v1/tasks/{id}/log"), format!("/v1/runs/{id}/events")] {
            for token in [&token, &fixture.token(Who::Ci)] {
                let said = fixture.send("GET", &path, Some(token), None).await;
                assert_eq!((said.status.as_u16(), said.code()), (400, "PC-0104"), "{path}: {said:?}");
            }
        }
    }
    let nothing = "01890000-0000-7000-8000-000000000000";
    let read = fixture.send("GET", &format!("/v1/runs/{nothing}"), Some(&token), None).await;
    assert_eq!(read.code(), "PC-0211", "a read token does not find out which runs there are");
    let own = fixture.send("GET", &format!("/v1/runs/{nothing}"), Some(&fixture.token(Who::Ci)), None).await;
    assert_eq!((own.status.as_u16(), own.code()), (404, "PC-0114"));
}

#[tokio::test]
async fn cursors_are_what_they_were_given_as() {
    let fixture = Fixture::new().await;
    for _ in 0..3 {
        let (run, _) = fixture.started(Who::Ci, &plan()).await;
        fixture.until(&run, "succeeded").await;
    }
    let token = fixture.token(Who::Ci);
    let get = async |query: &str| fixture.send("GET", &format!("/v1/runs?{query}"), Some(&token), None).await;
    let mut seen = BTreeSet::new();
    let mut query = "limit=2".to_owned();
    loop {
        let page = get(&query).await;
        for run in page.body["runs"].as_array().unwrap() {
            assert!(seen.insert(run["id"].as_str().unwrap().to_owned()), "twice");
        }
        let Some(next) = page.body["next"].as_str() else { break };
        query = format!("limit=2&after={next}");
    }
    assert_eq!(seen.len(), 3);
    for (query, code) in [
        ("after=x", "PC-0116"),
        ("after=", "PC-0116"),
        ("after=%27%3B--", "PC-0116"),
        ("after=01890000000070008000000000000000", "PC-0116"),
        ("limit=0", "PC-0101"),
        ("limit=201", "PC-0101"),
        ("limit=-1", "PC-0101"),
        ("limit=99999999999999999999", "PC-0101"),
        ("limit=2&limit=3", "PC-0101"),
        ("offset=1", "PC-0101"),
        ("after[]=x", "PC-0101"),
    ] {
        assert_eq!(get(query).await.code(), code, "{query}");
    }
    for after in ["/etc", "..", "dev/../x", "", "%00"] {
        let said = fixture.send("GET", &format!("/v1/units?after={after}"), Some(&token), None).await;
        assert_eq!(said.code(), "PC-0116", "{after}");
    }
    let run = seen.pop_last().unwrap();
    let view = fixture.send("GET", &format!("/v1/runs/{run}"), Some(&token), None).await;
    let log = format!("/v1/tasks/{}/log", view.body["tasks"][0]["id"].as_str().unwrap());
    for (query, code) in [("offset=1", "PC-0116"), ("offset=18446744073709551615", "PC-0116"), ("offset=-1", "PC-0101")]
    {
        assert_eq!(fixture.send("GET", &format!("{log}?{query}"), Some(&token), None).await.code(), code, "{query}");
    }
}

#[tokio::test]
async fn key_ids_cannot_be_used_to_hammer_the_issuer() {
    let fixture = Fixture::new().await;
    fixture.send("GET", "/v1/runs", Some(&fixture.token(Who::Ci)), None).await;
    let before = fixture.issuer.key_fetches();
    let good = fixture.token(Who::Ci);
    fixture.issuer.rotate();
    for _ in 0..30 {
        // Keys that the runner does not know yet.
        let said = fixture.send("GET", "/v1/runs", Some(&fixture.token(Who::Ci)), None).await;
        assert_eq!(said.code(), "PC-0209");
    }
    assert_eq!(fixture.issuer.key_fetches(), before, "they were fetched a moment ago");
    // Who is known is answered meanwhile.
    assert_eq!(fixture.send("GET", "/v1/runs", Some(&good), None).await.status, 200);
}

#[tokio::test]
async fn an_issuer_of_many_keys_or_huge_ones_is_no_danger() {
    let fixture = Fixture::new().await;
    let keys = fixture.issuer.jwks();
    let good = keys["keys"][0].clone();
    let mut huge = good.clone();
    huge["n"] = json!("A".repeat(100_000));
    huge["kid"] = json!("huge");
    fixture.issuer.answer(Answer::Keys(json!({"keys": [huge, good]})));
    assert_eq!(fixture.send("GET", "/v1/runs", Some(&fixture.token(Who::Ci)), None).await.status, 200);

    let fixture = Fixture::new().await;
    let many: Vec<Value> = (0..3000).map(|n| json!({"kty": "oct", "kid": format!("{n}"), "k": "AAAA"})).collect();
    fixture.issuer.answer(Answer::Keys(json!({"keys": many})));
    let said = fixture.send("GET", "/v1/runs", Some(&fixture.token(Who::Ci)), None).await;
    assert_eq!(said.code(), "PC-0209");

    let fixture = Fixture::new().await;
    fixture.issuer.answer(Answer::Huge(8 << 20));
    let said = fixture.send("GET", "/v1/runs", Some(&fixture.token(Who::Ci)), None).await;
    assert_eq!((said.status.as_u16(), said.code()), (503, "PC-0210"));
}

/// Runs that never end are a principal's way to fill the runner's memory.
#[tokio::test]
async fn a_job_cannot_pile_up_runs_without_end() {
    let fixture = Fixture::new().await;
    fixture.unfinished(500).await;
    let said = fixture.trigger(Who::Ci, &plan()).await;
    assert_eq!((said.status.as_u16(), said.code()), (429, "PC-0907"), "{said:?}");
}

#[tokio::test]
async fn claims_are_not_patterns() {
    let fixture = Fixture::new().await;
    for id in ["82104411", "8210441 ", "8210441\n", "*", "[8210441]", "08210441", "8210441.0", "8210441\u{200b}"] {
        let token = fixture.issuer.mint(json!({"aud": AUDIENCE, "repository_id": id, "sub": "x"}));
        let said = fixture.send("POST", "/v1/runs", Some(&token), Some(&plan())).await;
        assert_eq!((said.status.as_u16(), said.code()), (403, "PC-0300"), "{id:?}");
        assert!(!said.body.to_string().contains("wanted"), "a stranger is not told what would do: {said:?}");
    }
}
