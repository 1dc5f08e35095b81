//! What real clients send: its signature is verified, and its operation recognised as the one that was asked for.
//!
//! botocore (the library of the AWS command line and of most Python) builds and signs a request for every operation
//! that it knows; a script keeps it from sending any. Without botocore the test says so and is skipped. With
//! `PORTCULLIS_AWS_ALL` in the environment all services are asked, which takes two minutes.

use std::process::{Command, Stdio};

use base64::Engine as _;
use jiff::Timestamp;
use portcullis_broker::aws::sigv4::Payload;
use portcullis_broker::aws::table::{Body, Endpoints, recognise};

use super::{key, parts, sha256, verify};

/// One of each protocol, and what infrastructure code uses most.
const SERVICES: &str = "acm apigateway apigatewayv2 autoscaling cloudformation cloudfront cloudwatch dynamodb \
    dynamodbstreams ec2 ecr ecs efs eks elasticache elb elbv2 events iam kinesis kms lambda logs organizations rds \
    resourcegroupstaggingapi route53 s3 s3control secretsmanager ses sesv2 sns sqs ssm stepfunctions sts wafv2";

/// A request as the script prints it.
struct Sent {
    service: String,
    operation: String,
    now: Timestamp,
    method: String,
    target: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn read(line: &str) -> Sent {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    let text = |key: &str| value[key].as_str().unwrap().to_string();
    let url = text("url");
    let rest = url.strip_prefix("https://").unwrap_or_else(|| panic!("{url}"));
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let headers = value["headers"].as_object().unwrap();
    Sent {
        service: text("service"),
        operation: text("operation"),
        now: Timestamp::from_second(value["now"].as_i64().unwrap()).unwrap(),
        method: text("method"),
        target: if rest[at..].starts_with('/') { rest[at..].into() } else { format!("/{}", &rest[at..]) },
        host: rest[..at].into(),
        headers: headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().into())).collect(),
        body: base64::engine::general_purpose::STANDARD.decode(text("body")).unwrap(),
    }
}

/// Requests that are refused although botocore sends them, with the reason.
fn is_refused_on_purpose(sent: &Sent) -> Option<&'static str> {
    let streams = sent
        .headers
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("x-amz-content-sha256") && value.contains("EVENTS"));
    let value_of = |name: &str| sent.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v);
    match (sent.service.as_str(), sent.operation.as_str()) {
        _ if streams => Some("an event stream"),
        ("sdb" | "importexport", _) => Some("signature version 2"),
        ("s3", "WriteGetObjectResponse") => Some("of object lambdas alone, with a route of their own"),
        ("s3control", _) if sent.host.starts_with("s3express") => Some("directory buckets"),
        ("neptune-graph" | "health" | "sustainability", _) => Some("its host is not NAME.REGION, or of another region"),
        ("codeartifact", "PublishPackageVersion") => Some("the digest is made up by the script"),
        _ if value_of("authorization").is_some_and(|value| value.contains("ECDSA")) => Some("SigV4A"),
        _ => None,
    }
}

fn check(sent: &Sent) -> Result<(), String> {
    let headers: Vec<(&str, &str)> = sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let parts = parts(&sent.method, &sent.target, &headers);
    let key = key("AKIAPLACEHOLDER", "placeholder", Some("the-token"));
    let (request, verified) = verify(&parts, &sent.host, &key, Some(sha256(&sent.body)), sent.now)
        .map_err(|fault| format!("verify: {fault}"))?;
    if let Payload::Digest(digest) = verified.payload()
        && *digest != sha256(&sent.body)
    {
        return Err("the digest is not that of the body".into());
    }
    let found = recognise(&request, verified.scope(), &Endpoints::default(), Body::Whole(&sent.body))
        .map_err(|unrecognised| format!("recognise: {unrecognised}"))?;
    let meant: Vec<&str> = found.needs.iter().map(|need| need.operation).filter(|name| !name.is_empty()).collect();
    if !meant.contains(&sent.operation.as_str()) {
        return Err(format!("recognised as {meant:?}"));
    }
    // Two of the old and new name of one thing are the same action.
    let actions: Vec<&str> =
        found.needs.iter().filter(|need| !need.operation.is_empty()).map(|need| need.action.as_str()).collect();
    if actions.iter().any(|action| *action != actions[0]) {
        return Err(format!("recognised as several: {actions:?}"));
    }
    Ok(())
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test may start Python and read its own switch")]
fn what_botocore_sends_is_recognised() {
    let has_it = Command::new("python3").args(["-c", "import botocore"]).stderr(Stdio::null()).status();
    if !has_it.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: python3 has no botocore (pip install botocore)");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/aws/sent_by_botocore.py");
    let mut python = Command::new("python3");
    python.arg(script).env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_CONFIG_FILE", "/nonexistent");
    let all = std::env::var_os("PORTCULLIS_AWS_ALL").is_some();
    if !all {
        python.args(SERVICES.split_whitespace());
    }
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sent: Vec<Sent> = String::from_utf8(output.stdout).unwrap().lines().map(read).collect();
    let (mut right, mut wrong) = (0, Vec::new());
    for sent in &sent {
        match (check(sent), is_refused_on_purpose(sent)) {
            (Ok(()), None) => right += 1,
            (Err(_), Some(_)) => {}
            (Ok(()), Some(why)) => wrong.push(format!("{}.{} is taken: {why}", sent.service, sent.operation)),
            (Err(why), None) => wrong.push(format!("{}.{}: {why}", sent.service, sent.operation)),
        }
    }
    println!("{right} operations of botocore are recognised, {} are not", wrong.len());
    // Another botocore than the table's has operations that are not in it, and retired services: nothing else.
    let is_unknown = |line: &String| {
        ["is not an operation that is known", "is not a service that is known"].iter().any(|why| line.contains(why))
    };
    let unknown = wrong.iter().filter(|line| is_unknown(line)).count();
    assert!(right > if all { 15_000 } else { 3_000 }, "{right} of {}", sent.len());
    assert!(unknown * 20 < sent.len(), "{unknown} are not in the table");
    wrong.retain(|line| !is_unknown(line));
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
