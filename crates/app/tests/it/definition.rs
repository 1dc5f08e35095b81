//! How a new definition takes effect: whole, checked, and never over those who brought it.

use portcullis_model::ledger::{Entry, Record};
use portcullis_model::{Code, Digest};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Who, definition};

const ALLOW: &str = "allow     = [\"live-merge\"]";

async fn status(fixture: &Fixture) -> Value {
    fixture.send("GET", "/v1/definition", Some(&fixture.token(Who::Ci)), None).await.body
}

fn apply() -> Value {
    json!({"action": "apply", "repository": "live", "ref": "main"})
}

/// What is on record about definitions.
async fn records(fixture: &Fixture) -> Vec<(&'static str, String)> {
    let entries = fixture.store.ledger().page(0, 1000).await.unwrap();
    let records = entries.iter().map(|entry| serde_json::from_str::<Entry>(&entry.text).unwrap().record);
    records
        .filter_map(|record| match &record {
            Record::DefinitionInForce { commit, .. } | Record::DefinitionRefused { commit, .. } => {
                Some((record.kind(), commit.to_string()))
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn status_and_ledger_say_what_is_in_force_and_what_was_refused() {
    let fixture = Fixture::new().await;
    let first = status(&fixture).await;
    assert_eq!(first["in_force"]["commit"], fixture.repo.head().to_string(), "{first}");
    assert_eq!((&first["account"], &first["refused"]), (&json!("dev"), &Value::Null), "{first}");
    let begun = fixture.repo.head().to_string();
    // Another commit that says the same: the same definition, since then.
    let same = fixture.push("portcullis.hcl", &format!("# a comment\n{}", definition(fixture.issuer.url())));
    let after = status(&fixture).await;
    assert_eq!(after["in_force"]["commit"], same.to_string());
    for what in ["digest", "since"] {
        assert_eq!(after["in_force"][what], first["in_force"][what], "{what}");
    }
    // One with a fault.
    let broken = fixture.push("portcullis.hcl", "account {");
    let refused = status(&fixture).await;
    assert_eq!(refused["in_force"], after["in_force"]);
    assert_eq!(refused["refused"]["commit"], broken.to_string(), "{refused}");
    assert_eq!(refused["refused"]["problem"]["code"], "PC-0500", "{refused}");
    assert_eq!(status(&fixture).await["refused"]["since"], refused["refused"]["since"], "once");
    // A mended one.
    let text = definition(fixture.issuer.url()).replace("id   = \"111111111111\"", "id   = \"222222222222\"");
    let mended = fixture.push("portcullis.hcl", &text);
    let last = status(&fixture).await;
    assert_eq!((&last["in_force"]["commit"], &last["refused"]), (&json!(mended.to_string()), &Value::Null), "{last}");
    assert_ne!(last["in_force"]["digest"], first["in_force"]["digest"]);
    let wanted = [
        ("definition-in-force", begun),
        ("definition-refused", broken.to_string()),
        ("definition-in-force", mended.to_string()),
    ];
    assert_eq!(records(&fixture).await, wanted);
}

#[tokio::test]
async fn who_brings_a_definition_is_not_locked_out_by_it() {
    let fixture = Fixture::new().await;
    let with = |allow: &str| {
        let more = "principal \"other\" {\n  identity = \"ci\"\n  claims = { repository_id = \"9\" }\n}\n";
        more.to_owned() + &definition(fixture.issuer.url()).replacen(ALLOW, &format!("allow = {allow}"), 1)
    };
    fixture.push("portcullis.hcl", &with("[\"live-merge\", \"other\"]"));
    fixture.started(Who::Merge, &apply()).await;
    // `live-merge` takes its own right away, and nobody new has it.
    let alone = fixture.push("portcullis.hcl", &with("[\"other\"]"));
    let (run, _) = fixture.started(Who::Merge, &apply()).await;
    let refused = status(&fixture).await["refused"].clone();
    assert_eq!(refused["commit"], alone.to_string(), "{refused}");
    assert_eq!(refused["problem"]["code"], Code::FLEET_LOCKS_OUT.to_string(), "{refused}");
    assert!(refused["problem"]["detail"].as_str().unwrap().contains("`live-merge`"), "{refused}");
    fixture.send("POST", &format!("/v1/runs/{run}/cancel"), Some(&fixture.token(Who::Merge)), None).await;
    // Found by looking, without a request: it was brought by who had something applied last.
    fixture.push("note.txt", "x");
    fixture.definitions.refresh(&[]).await.unwrap();
    assert_eq!(fixture.definitions.refused().unwrap().fault.code(), Code::FLEET_LOCKS_OUT);
    // Brought by the other one it is taken.
    let other = fixture.issuer.mint(json!({"aud": crate::fixture::AUDIENCE, "repository_id": "9", "sub": "other"}));
    fixture.send("POST", "/v1/runs", Some(&other), Some(&apply())).await;
    assert!(fixture.definitions.refused().is_none());
    let said = fixture.trigger(Who::Merge, &apply()).await;
    assert_eq!(said.code(), Code::DENIED.to_string(), "{said:?}");
    // Somebody new in its place is fine, whoever brings it.
    let replaced = with("[\"live-merge\"]");
    let head = fixture.push("portcullis.hcl", &replaced);
    fixture
        .send(
            "POST",
            "/v1/runs",
            Some(&fixture.issuer.mint(json!({"aud": crate::fixture::AUDIENCE, "repository_id": "9", "sub": "other"}))),
            Some(&apply()),
        )
        .await;
    assert_eq!(fixture.definitions.in_force().unwrap().commit, head, "{:?}", fixture.definitions.refused());
}

#[tokio::test]
async fn a_run_goes_by_the_definition_that_let_it_in() {
    let fixture = Fixture::new().await;
    let first = fixture.definitions.in_force().unwrap();
    let (run, _) = fixture.started(Who::Merge, &apply()).await;
    let record = fixture.store.run_get(run.parse().unwrap()).await.unwrap().unwrap();
    let pin = record.definition.unwrap();
    assert_eq!((&pin.commit, pin.digest), (&first.commit, first.digest));
    let text = definition(fixture.issuer.url()).replace("id   = \"111111111111\"", "id   = \"222222222222\"");
    fixture.push("portcullis.hcl", &text);
    fixture.definitions.refresh(&[]).await.unwrap();
    assert_eq!(fixture.definitions.in_force().unwrap().account.id, "222222222222");
    assert_eq!(fixture.definitions.pinned(&pin).await.unwrap().account.id, "111111111111");
    // One that is in memory no more is read from its commit.
    let unknown = portcullis_model::record::DefinitionPin { digest: Digest::of(b"of another version"), ..pin };
    assert_eq!(fixture.definitions.pinned(&unknown).await.unwrap().account.id, "111111111111");
}

#[tokio::test]
async fn a_runner_that_starts_over_a_broken_head_takes_the_last_good_one_up() {
    let fixture = Fixture::new().await;
    let good = fixture.definitions.in_force().unwrap();
    fixture.push("portcullis.hcl", "account {");
    let fixture = fixture.again().await;
    let taken = fixture.definitions.in_force().unwrap();
    assert_eq!((&taken.commit, taken.digest), (&good.commit, good.digest));
    assert_eq!(taken.since.as_second(), good.since.as_second());
    assert_eq!(fixture.definitions.refused().unwrap().fault.code(), Code::FLEET_SYNTAX);
    fixture.started(Who::Ci, &json!({"action": "plan", "repository": "live", "ref": "feature"})).await;
}
