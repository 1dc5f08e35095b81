//! Requests of every kind at once: right ones, wrong ones and hostile ones. Each gets the answer that it would get
//! alone, and what is on record afterwards is whole.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portcullis_app::http::listener::Limits;
use portcullis_app::http::rate::Rate;
use portcullis_store::{LedgerReader, Store};
use portcullis_testkit::hostile::{HostileToken, hostile_tokens};
use portcullis_trust::ledger::{Checkpoint, Report, SigningKey, checkpoint_line, entry_line, verify};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Said, Who, claims};

const CLIENTS: u64 = 6;
/// More than this is not what answering costs, in bytes.
const GROWTH_MAX: u64 = 128 << 20;

/// What was answered, by kind of request and answer.
#[derive(Default)]
struct Tally {
    answers: Mutex<BTreeMap<String, u64>>,
    wrong: Mutex<Vec<String>>,
    accepted: AtomicU64,
}

impl Tally {
    fn note(&self, kind: &str, said: &Said, wanted: &[&str]) {
        let got = format!("{} {}", said.status.as_u16(), said.code());
        *self.answers.lock().unwrap().entry(format!("{kind}: {got}")).or_default() += 1;
        // Too busy is an answer that anybody may get.
        if !wanted.contains(&got.as_str()) && got != "429 PC-0907" {
            self.wrong.lock().unwrap().push(format!("{kind}: {got}, wanted {wanted:?}: {said:?}"));
        }
    }
}

async fn post(fixture: &Fixture, token: &str, body: &Value, key: Option<&str>) -> Said {
    let headers: Vec<(&str, &str)> = key.iter().map(|key| ("idempotency-key", *key)).collect();
    fixture.send_with("POST", "/v1/runs", Some(token), Some(body), &headers).await
}

async fn ask(fixture: &Fixture, hostile: &[HostileToken], tally: &Tally, number: u64) {
    let plan = json!({"action": "plan", "repository": "live", "ref": "feature"});
    match number % 8 {
        0 => {
            let token = fixture.token(Who::Ci);
            let first = post(fixture, &token, &plan, None).await;
            tally.note("a plan", &first, &["201 none"]);
            if first.status.as_u16() == 201 {
                tally.accepted.fetch_add(1, Ordering::Relaxed);
                tally.note("the same token", &post(fixture, &token, &plan, None).await, &["401 PC-0208"]);
            }
        }
        1 => {
            let key = format!("key-{number}");
            let first = post(fixture, &fixture.token(Who::Ci), &plan, Some(&key)).await;
            tally.note("a plan with a key", &first, &["201 none"]);
            if first.status.as_u16() == 201 {
                tally.accepted.fetch_add(1, Ordering::Relaxed);
                let again = post(fixture, &fixture.token(Who::Ci), &plan, Some(&key)).await;
                tally.note("the same request", &again, &["200 none"]);
                assert!(
                    again.status.as_u16() == 429 || again.body["run"]["id"] == first.body["run"]["id"],
                    "{again:?}"
                );
            }
        }
        2 | 3 => {
            let case = &hostile[usize::try_from(number / 8 * 2 + number % 8 - 2).unwrap() % hostile.len()];
            let said = post(fixture, &case.token, &plan, None).await;
            let status = if case.token.len() > 20_000 { "431" } else { "401" };
            let wanted = [format!("401 {}", case.code), format!("{status} none"), format!("503 {}", case.code)];
            tally.note(case.name, &said, &wanted.each_ref().map(String::as_str));
        }
        4 => tally.note("a stranger", &fixture.trigger(Who::Stranger, &plan).await, &["403 PC-0300"]),
        5 => {
            let body = json!({"action": "apply", "repository": "live", "ref": "main"});
            tally.note("an apply of a branch's job", &fixture.trigger(Who::Ci, &body).await, &["403 PC-0300"]);
        }
        6 => {
            let body = json!({"action": "plan", "repository": "live", "ref": "--upload-pack=x"});
            tally.note("an option for a branch", &fixture.trigger(Who::Ci, &body).await, &["400 PC-0110"]);
        }
        _ => {
            let said = fixture.send("GET", "/v1/runs?limit=5", Some(&fixture.token(Who::Ci)), None).await;
            tally.note("a list", &said, &["200 none"]);
        }
    }
}

/// Asks until it is enough, and looks at what it has left. Memory is that of the process, so it says something only if no
/// other test runs in it.
async fn load(alone: bool, enough: impl Fn(u64, Duration) -> bool) {
    let rate = Rate { burst: 1_000_000, per_second: 1_000_000 };
    let fixture = Fixture::with(Limits { rate, rate_of_caller: rate, ..Limits::default() }).await;
    let mut hostile = hostile_tokens(&fixture.issuer, &claims(Who::Ci));
    // Without those that no client can send: a header does not hold every character, and space around it is no part of it.
    let sendable = |token: &str| reqwest::header::HeaderValue::from_str(token).is_ok() && token.trim() == token;
    hostile.retain(|case| sendable(&case.token));
    assert!(hostile.len() > 60);
    let (tally, next) = (Tally::default(), AtomicU64::new(0));
    let (begun, before) = (Instant::now(), memory());
    let client = async || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if enough(number, begun.elapsed()) {
                break;
            }
            ask(&fixture, &hostile, &tally, number).await;
        }
    };
    futures_util::future::join_all((0..CLIENTS).map(|_| client())).await;
    let grown = memory().saturating_sub(before);
    let (requests, elapsed) = (tally.answers.lock().unwrap().values().sum::<u64>(), begun.elapsed().as_secs());
    for (kind, count) in tally.answers.lock().unwrap().iter() {
        println!("{count:>8}  {kind}");
    }
    let wrong = tally.wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} wrong answers, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(3)]);
    assert!(!alone || grown < GROWTH_MAX, "{grown} bytes grown");
    // What was granted is what was accepted, and nothing else is there.
    let accepted = tally.accepted.load(Ordering::Relaxed);
    assert!(accepted > 0);
    assert_eq!(runs(&fixture.store).await, accepted);
    let report = verified(&fixture.store.ledger()).await;
    let (entries, grown) = (report.head.number, grown >> 20);
    println!("load: {requests} requests in {elapsed} s, {accepted} runs, {entries} ledger entries, {grown} MiB grown");
}

async fn runs(store: &Store) -> u64 {
    let (mut count, mut before) = (0, None);
    loop {
        let page = store.run_list(before, 200).await.unwrap();
        let Some(last) = page.last() else { return count };
        before = Some(last.id);
        count += page.len() as u64;
    }
}

/// The ledger as an export, verified.
async fn verified(ledger: &LedgerReader) -> Report {
    let key = SigningKey::generate("portcullis/dev").unwrap();
    let mut export = String::new();
    let mut after = 0;
    loop {
        let page = ledger.page(after, 1000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.number;
        export.extend(page.iter().map(|kept| entry_line(&kept.text, &kept.hash) + "\n"));
    }
    let head = ledger.head().await.unwrap();
    export += &checkpoint_line(&Checkpoint::sign(head, portcullis_app::runner::now(), &key));
    verify(&mut export.as_bytes(), key.verifying(), &[]).unwrap()
}

/// What this process has in memory, in bytes.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_every_kind_at_once_get_the_answers_that_they_would_get_alone() {
    load(false, |number, _| number >= 320).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute of load; `cargo xtask bench load` runs it"]
async fn for_a_minute() {
    load(true, |_, elapsed| elapsed >= Duration::from_secs(60)).await;
}
