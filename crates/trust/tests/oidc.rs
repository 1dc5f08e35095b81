//! Tokens with real keys and real signatures, from a real issuer on loopback.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{DecodingKey, Validation};
use portcullis_model::Code;
use portcullis_testkit::hostile::hostile_tokens;
use portcullis_testkit::issuer::{Algorithm, Answer, FakeIssuer};
use portcullis_trust::oidc::{Connection, Identity, LEEWAY_SECONDS, Verifier};
use serde_json::{Value, json};

const AUDIENCE: &str = "portcullis:acme/dev";

fn identity(issuer: &FakeIssuer) -> Identity {
    Identity { name: "test".into(), issuer: issuer.url().into(), jwks_uri: None, jwks: None, audience: AUDIENCE.into() }
}

fn verifier(issuer: &FakeIssuer) -> Verifier {
    Verifier::new(vec![identity(issuer)]).unwrap()
}

fn claims() -> Value {
    json!({"aud": AUDIENCE, "sub": "repo:acme/live:ref:refs/heads/main", "ref": "refs/heads/main"})
}

#[allow(clippy::disallowed_methods, reason = "the issuer's tokens are of now")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn good_tokens_of_every_algorithm_are_taken() {
    let issuer = FakeIssuer::start();
    let verifier = verifier(&issuer);
    for algorithm in Algorithm::ALL {
        let verified = verifier.verify(&issuer.mint_with(algorithm, claims()), now()).await.unwrap();
        assert_eq!(verified.identities, BTreeSet::from(["test".to_owned()]));
        assert_eq!(verified.issuer, issuer.url());
        assert_eq!(verified.subject, "repo:acme/live:ref:refs/heads/main");
        assert_eq!(verified.claims["ref"], "refs/heads/main");
        assert_eq!(verified.expires_at.as_second(), verified.claims["exp"].as_i64().unwrap() + LEEWAY_SECONDS);
    }
    let one_in_a_list = issuer.mint(json!({"aud": [AUDIENCE]}));
    verifier.verify(&one_in_a_list, now()).await.unwrap();
    assert_eq!((issuer.discoveries(), issuer.key_fetches()), (1, 1), "keys are kept");
}

/// The testkit signs and encodes by itself; another implementation has to agree that its tokens are good.
#[test]
fn an_independent_implementation_takes_the_same_tokens() {
    let issuer = FakeIssuer::start();
    for (algorithm, theirs) in [
        (Algorithm::Rs256, jsonwebtoken::Algorithm::RS256),
        (Algorithm::Es256, jsonwebtoken::Algorithm::ES256),
        (Algorithm::EdDsa, jsonwebtoken::Algorithm::EdDSA),
    ] {
        let token = issuer.mint_with(algorithm, claims());
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(issuer.jwks()).unwrap();
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
        let mut validation = Validation::new(theirs);
        validation.set_audience(&[AUDIENCE]);
        jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
    }
}

#[tokio::test]
async fn hostile_tokens_are_refused_each_for_its_own_reason() {
    let issuer = FakeIssuer::start();
    let verifier = verifier(&issuer);
    let hostile = hostile_tokens(&issuer, &claims());
    assert!(hostile.len() > 60);
    let mut wrong = Vec::new();
    for case in hostile {
        match verifier.verify(&case.token, now()).await {
            Ok(_) => wrong.push(format!("{}: taken", case.name)),
            Err(fault) => {
                if fault.code() != case.code {
                    wrong.push(format!("{}: {fault}, wanted {}", case.name, case.code));
                }
                let signature = case.token.rsplit('.').next().unwrap_or_default();
                if signature.len() > 20 && format!("{fault:?}").contains(signature) {
                    wrong.push(format!("{}: the message contains the token", case.name));
                }
                if fault.message().chars().any(char::is_control) || fault.message().len() > 600 {
                    wrong.push(format!("{}: {:?}", case.name, fault.message()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What each is told, without what changes from one run to the next.
#[tokio::test]
async fn hostile_tokens_are_told_what_is_wrong_and_what_to_do() {
    let issuer = FakeIssuer::start();
    let verifier = verifier(&issuer);
    let mut told = String::new();
    for case in hostile_tokens(&issuer, &claims()) {
        let fault = verifier.verify(&case.token, now()).await.unwrap_err();
        let line = format!("{}: {} {}", case.name, fault.code(), fault.message());
        let line = line.replace(issuer.url(), "ISSUER").replace(issuer.url().trim_start_matches("http://"), "HOST");
        // A number of seconds is another one each time.
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<i128>().is_ok() && words.get(at + 1) == Some(&"s");
        let shown: Vec<&str> = (0..words.len()).map(|at| if number(at) { "N" } else { words[at] }).collect();
        told.push_str(&format!("{}\n    {}\n", shown.join(" "), fault.remedy_text().unwrap_or("NO REMEDY")));
    }
    assert!(!told.contains("NO REMEDY"), "{told}");
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn no_character_of_a_token_can_be_changed() {
    let issuer = FakeIssuer::start();
    let verifier = verifier(&issuer);
    let token = issuer.mint_with(Algorithm::Es256, claims());
    verifier.verify(&token, now()).await.unwrap();
    for at in 0..token.len() {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert!(verifier.verify(&changed, now()).await.is_err(), "character {at}");
        assert!(verifier.verify(&token[..at], now()).await.is_err(), "cut at {at}");
    }
    assert!(issuer.key_fetches() <= 1);
}

#[tokio::test]
async fn strangers_cannot_make_the_runner_fetch() {
    let issuer = FakeIssuer::start();
    let verifier = verifier(&issuer);
    let hostile = hostile_tokens(&issuer, &claims());
    let known_before_a_key = |code: Code| code != Code::TOKEN_BAD_SIGNATURE && code != Code::TOKEN_UNKNOWN_KEY;
    for case in hostile.iter().filter(|case| known_before_a_key(case.code) && !case.name.contains(" with an ")) {
        verifier.verify(&case.token, now()).await.unwrap_err();
        if case.code != Code::TOKEN_BAD_ALGORITHM {
            assert_eq!(issuer.key_fetches(), 0, "{}", case.name);
        }
    }
    // Keys that are not known: one fetch at first, none more until ten seconds have passed.
    let unknown: Vec<_> = hostile.iter().filter(|case| case.name == "unknown kid").collect();
    for _ in 0..20 {
        verifier.verify(&unknown[0].token, now()).await.unwrap_err();
    }
    assert_eq!(issuer.key_fetches(), 1);
    verifier.verify(&unknown[0].token, later(11)).await.unwrap_err();
    assert_eq!(issuer.key_fetches(), 2);
}

#[tokio::test]
async fn pinned_keys_need_no_issuer_to_ask() {
    let issuer = FakeIssuer::start();
    let keys = issuer.jwks().to_string();
    let pinned = |keys: &str| Identity { jwks: Some(keys.into()), ..identity(&issuer) };
    let verifier = Verifier::new(vec![pinned(&keys)]).unwrap();
    issuer.answer(Answer::Status(503));
    verifier.verify(&issuer.mint(claims()), now()).await.unwrap();
    verifier
        .verify(&issuer.mint(json!({"aud": AUDIENCE, "exp": now().as_second() + 90_000})), later(86_000))
        .await
        .unwrap();
    for case in hostile_tokens(&issuer, &claims()) {
        let fault = verifier.verify(&case.token, now()).await.unwrap_err();
        assert_eq!(fault.code(), case.code, "{}: {fault}", case.name);
    }
    // A key that came later is in no pinned set.
    issuer.rotate();
    let fault = verifier.verify(&issuer.mint(claims()), later(60)).await.unwrap_err();
    assert_eq!(fault.code(), Code::TOKEN_UNKNOWN_KEY, "{fault}");
    assert!(fault.remedy_text().unwrap().contains("`jwks`"), "{fault}");
    assert_eq!((issuer.discoveries(), issuer.key_fetches()), (0, 0), "nobody was asked");
    // The new set takes the old one's place at once, both keys in it, so that none is without.
    let both = [
        issuer.jwks()["keys"].as_array().unwrap().clone(),
        serde_json::from_str::<Value>(&keys).unwrap()["keys"].as_array().unwrap().clone(),
    ];
    verifier.replace(vec![pinned(&json!({"keys": both.concat()}).to_string())]).unwrap();
    verifier.verify(&issuer.mint(claims()), later(60)).await.unwrap();
    for bad in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#] {
        let faults = verifier.replace(vec![pinned(bad)]).unwrap_err();
        assert!(faults[0].message().contains("pinned keys"), "{faults:?}");
    }
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_forgotten() {
    let issuer = FakeIssuer::start();
    let verifier = verifier(&issuer);
    let old = issuer.mint(claims());
    verifier.verify(&old, now()).await.unwrap();
    issuer.rotate();
    let new = issuer.mint(claims());
    let fault = verifier.verify(&new, now()).await.unwrap_err();
    assert_eq!(fault.code(), Code::TOKEN_UNKNOWN_KEY, "keys were fetched a moment ago");
    verifier.verify(&new, later(11)).await.unwrap();
    assert_eq!(verifier.verify(&old, later(30)).await.unwrap_err().code(), Code::TOKEN_UNKNOWN_KEY);
}

#[tokio::test]
async fn a_request_that_began_before_another_fetched_the_keys_uses_them() {
    let issuer = FakeIssuer::start();
    let verifier = verifier(&issuer);
    let token = issuer.mint(json!({"aud": AUDIENCE, "exp": now().as_second() + 7200}));
    verifier.verify(&token, now()).await.unwrap();
    verifier.verify(&token, later(301)).await.unwrap();
    verifier.verify(&token, later(300)).await.unwrap();
    assert_eq!(issuer.key_fetches(), 2);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_outlasted_for_an_hour() {
    let issuer = FakeIssuer::start();
    let verifier = verifier(&issuer);
    let token = issuer.mint(json!({"aud": AUDIENCE, "exp": now().as_second() + 7200}));
    verifier.verify(&token, now()).await.unwrap();
    issuer.answer(Answer::Status(503));
    verifier.verify(&token, later(1800)).await.unwrap();
    assert_eq!(issuer.discoveries(), 2, "it was asked again");
    assert_eq!(verifier.verify(&token, later(3700)).await.unwrap_err().code(), Code::JWKS_UNREACHABLE);
    // A clock that was set back does not make old keys new.
    assert_eq!(verifier.verify(&token, later(-40)).await.unwrap_err().code(), Code::JWKS_UNREACHABLE);
    issuer.answer(Answer::Good);
    verifier.verify(&token, later(3720)).await.unwrap();
}

#[tokio::test]
async fn bad_answers_of_an_issuer_are_faults() {
    let attacker = FakeIssuer::start();
    for answer in [
        Answer::Status(500),
        Answer::Status(204),
        Answer::Redirect(format!("{}/jwks", attacker.url())),
        Answer::Huge(1 << 20),
        Answer::Discovery(json!({"issuer": attacker.url(), "jwks_uri": format!("{}/jwks", attacker.url())})),
        Answer::Discovery(json!({"jwks_uri": format!("{}/jwks", attacker.url())})),
        Answer::Discovery(json!([])),
        Answer::Keys(json!({"keys": "none"})),
        Answer::Keys(json!([])),
    ] {
        let issuer = FakeIssuer::start();
        issuer.answer(answer.clone());
        let fault = verifier(&issuer).verify(&issuer.mint(claims()), now()).await.unwrap_err();
        assert_eq!(fault.code(), Code::JWKS_UNREACHABLE, "{answer:?}: {fault}");
    }
    assert_eq!((attacker.discoveries(), attacker.key_fetches()), (0, 0));
}

#[tokio::test]
async fn an_issuer_that_never_answers_is_not_waited_for() {
    let issuer = FakeIssuer::start();
    issuer.answer(Answer::Hang);
    let connection = Connection { timeout: Duration::from_millis(50), ..Connection::default() };
    let verifier = Verifier::with_connection(vec![identity(&issuer)], &connection).unwrap();
    let fault = verifier.verify(&issuer.mint(claims()), now()).await.unwrap_err();
    assert_eq!(fault.code(), Code::JWKS_UNREACHABLE, "{fault}");
}

#[tokio::test]
async fn discovery_may_not_name_keys_elsewhere_in_the_clear() {
    for place in ["http://192.0.2.1/jwks", "file:///etc/passwd", "ftp://127.0.0.1/x", "https://user:pw@127.0.0.1/x"] {
        let issuer = FakeIssuer::start();
        issuer.answer(Answer::Discovery(json!({"issuer": issuer.url(), "jwks_uri": place})));
        let fault = verifier(&issuer).verify(&issuer.mint(claims()), now()).await.unwrap_err();
        assert_eq!(fault.code(), Code::JWKS_UNREACHABLE);
        assert!(fault.message().contains("jwks_uri"), "{fault}");
    }
}

#[tokio::test]
async fn keys_that_do_not_fit_are_not_used() {
    let issuer = FakeIssuer::start();
    let good = issuer.jwks()["keys"][0].clone();
    let with = |changes: Value| {
        let mut key = good.clone();
        key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        key
    };
    let token = issuer.mint(claims());
    for bad in [
        with(json!({"use": "enc"})),
        with(json!({"alg": "RS512"})),
        with(json!({"key_ops": ["encrypt"]})),
        with(json!({"kty": "oct", "k": "AAAA"})),
        with(json!({"n": "AQAB"})),
        // With an exponent of 1 every padded message is its own signature.
        with(json!({"e": "AQ"})),
        with(json!({"e": "Aw"})),
        with(json!({"n": null})),
        json!("a key"),
    ] {
        issuer.answer(Answer::Keys(json!({"keys": [bad.clone()]})));
        let fault = verifier(&issuer).verify(&token, now()).await.unwrap_err();
        assert_eq!(fault.code(), Code::TOKEN_UNKNOWN_KEY, "{bad}: {fault}");
    }
    // Beside keys of other kinds, the good one is found.
    issuer
        .answer(Answer::Keys(json!({"keys": ["x", {"kty": "oct", "k": "AAAA"}, with(json!({"alg": "RS512"})), good]})));
    verifier(&issuer).verify(&token, now()).await.unwrap();
}

#[tokio::test]
async fn a_token_has_one_id_however_it_is_signed() {
    let issuer = FakeIssuer::start();
    let verifier = verifier(&issuer);
    let id = async |token: &str| verifier.verify(token, now()).await.unwrap().token_id;
    // ECDSA: (r, s) and (r, n - s) both verify.
    let token = issuer.mint_with(Algorithm::Es256, json!({"aud": AUDIENCE, "jti": null}));
    let twin = twin(&token);
    assert_ne!(token, twin);
    assert_eq!(id(&token).await, id(&twin).await);
    // The same `jti` is the same token.
    let named = |sub: &str| issuer.mint(json!({"aud": AUDIENCE, "jti": "one", "sub": sub}));
    assert_eq!(id(&named("a")).await, id(&named("b")).await);
    // Two tokens without `jti` that differ are two.
    let other = issuer.mint(json!({"aud": AUDIENCE, "jti": null, "sub": "other"}));
    assert_ne!(id(&token).await, id(&other).await);
}

#[tokio::test]
async fn the_leeway_is_sixty_seconds_and_no_more() {
    let issuer = FakeIssuer::start();
    let verifier = verifier(&issuer);
    let at = 2_000_000_000;
    let token = issuer.mint(json!({"aud": AUDIENCE, "iat": at, "nbf": at, "exp": at + 300}));
    for (offset, code) in
        [(-61, Some(Code::TOKEN_NOT_YET_VALID)), (-60, None), (0, None), (359, None), (360, Some(Code::TOKEN_EXPIRED))]
    {
        let verified = verifier.verify(&token, Timestamp::from_second(at + offset).unwrap()).await;
        assert_eq!(verified.err().map(|fault| fault.code()), code, "{offset}");
    }
}

#[tokio::test]
async fn identities_are_told_apart_by_audience_and_replaced_without_a_fetch() {
    let issuer = FakeIssuer::start();
    let other = Identity { name: "other".into(), audience: "portcullis:acme/prod".into(), ..identity(&issuer) };
    let verifier = Verifier::new(vec![identity(&issuer), other.clone()]).unwrap();
    let token = issuer.mint(json!({"aud": "portcullis:acme/prod"}));
    let verified = verifier.verify(&token, now()).await.unwrap();
    assert_eq!(verified.identities, BTreeSet::from(["other".to_owned()]));
    verifier.replace(vec![identity(&issuer)]).unwrap();
    assert_eq!(verifier.verify(&token, now()).await.unwrap_err().code(), Code::TOKEN_WRONG_AUDIENCE);
    verifier.verify(&issuer.mint(claims()), now()).await.unwrap();
    assert_eq!(issuer.key_fetches(), 1);
    // A definition that is refused changes nothing.
    let bad = Identity { issuer: "http://evil.example".into(), ..other };
    assert_eq!(verifier.replace(vec![bad]).unwrap_err().len(), 1);
    verifier.verify(&issuer.mint(claims()), now()).await.unwrap();
    verifier.replace(Vec::new()).unwrap();
    assert_eq!(verifier.verify(&issuer.mint(claims()), now()).await.unwrap_err().code(), Code::TOKEN_WRONG_ISSUER);
}

#[test]
fn issuers_are_https_or_loopback() {
    for bad in [
        "http://token.actions.githubusercontent.com",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "https://user:pw@host",
        "https://host/?x=1",
        "https://host/#x",
        "file:///etc/passwd",
        "github",
        "",
    ] {
        let identity =
            Identity { name: "x".into(), issuer: bad.into(), jwks_uri: None, jwks: None, audience: AUDIENCE.into() };
        assert!(Verifier::new(vec![identity]).is_err(), "{bad}");
    }
    for good in
        ["https://token.actions.githubusercontent.com", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"]
    {
        let identity =
            Identity { name: "x".into(), issuer: good.into(), jwks_uri: None, jwks: None, audience: AUDIENCE.into() };
        assert!(Verifier::new(vec![identity]).is_ok(), "{good}");
    }
}

/// The other signature of the same message: `s` becomes `n - s`.
fn twin(token: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = 0;
    for index in (0..32).rev() {
        let difference = i32::from(ORDER[index]) - i32::from(signature[32 + index]) - borrow;
        borrow = i32::from(difference < 0);
        signature[32 + index] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}
