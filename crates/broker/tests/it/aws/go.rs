//! What Terraform and its AWS provider send (the SDK for Go), through [`Task`] and [`Call`]: a real plan with the state
//! in S3, whose every request is verified and recognised, and whose refusals are shown to the user; and an upload whose
//! body arrives as it was signed again.
//!
//! Needs `terraform` on `PATH` and a folder with the provider, `PORTCULLIS_PROVIDER_MIRROR` (as for Terraform's
//! `filesystem_mirror`). Without them the test says so and is skipped.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::Timestamp;
use portcullis_broker::aws::judge::{Actions, Denial, Form, Grant, Phase, Rights, State, denial};
use portcullis_broker::aws::role::{RANDOM_BYTES, mint};
use portcullis_broker::aws::sigv4::Payload;
use portcullis_broker::aws::table::Endpoints;
use portcullis_broker::aws::{BodyRead, Task};

use super::{key, parts, sha256, verify};

/// What became of one request.
#[derive(Debug, Clone)]
struct Seen {
    rule: String,
    allowed: bool,
    action: String,
    /// Why it was refused, for whoever reads a failing test.
    #[allow(dead_code, reason = "shown by Debug")]
    why: String,
    /// What of the body has left, if it was allowed.
    payload: Option<Payload>,
    body: Bytes,
}

struct Double {
    task: Task,
    authority: String,
    /// What is in the lock file.
    lock: Mutex<Bytes>,
    seen: Mutex<Vec<Seen>>,
}

/// A double of AWS behind the broker, for one task. Ends with the test's process.
fn serve(task: Task) -> Arc<Double> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let double = Arc::new(Double { task, authority, lock: Mutex::default(), seen: Mutex::default() });
    let shared = double.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let double = shared.clone();
            std::thread::spawn(move || while double.request(&stream).is_some() {});
        }
    });
    double
}

impl Double {
    /// Reads and answers one request. `None`: the connection is over.
    fn request(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_string()),
            }
        }
        let mut first = lines.first()?.split(' ');
        let (method, target) = (first.next()?.to_string(), first.next()?.to_string());
        let headers: Vec<(String, String)> = lines[1..]
            .iter()
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string()))
            .collect();
        let value_of = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if value_of("expect").is_some() {
            (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
        }
        let mut body = vec![0; value_of("content-length").map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).ok()?;
        assert!(value_of("transfer-encoding").is_none(), "a body without a length");
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (seen, answer) = self.answer(&method, &target, &headers, &body);
        self.seen.lock().unwrap().push(seen);
        let mut out = format!("HTTP/1.1 {}\r\n", answer.status).into_bytes();
        for (name, value) in &answer.headers {
            out.extend_from_slice(format!("{name}: {}\r\n", value.to_str().unwrap()).as_bytes());
        }
        out.extend_from_slice(format!("content-length: {}\r\n\r\n", answer.body.len()).as_bytes());
        out.extend_from_slice(&answer.body);
        (&mut &*stream).write_all(&out).ok()
    }

    #[allow(clippy::disallowed_methods, reason = "a real client signs with the real time")]
    fn answer(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> (Seen, Denial) {
        let now = Timestamp::now();
        let head = parts(method, target, headers);
        let seen = |rule: &str, allowed, action: String, why: &str| Seen {
            rule: rule.into(),
            allowed,
            action,
            why: why.into(),
            payload: None,
            body: Bytes::new(),
        };
        let judged = self.task.begin(&head, &self.authority, now).and_then(|call| {
            let digest = call.body().digest.then(|| sha256(body));
            call.judge(&self.task, BodyRead { whole: Some(body), digest })
        });
        let allowed = match judged {
            Ok(allowed) => allowed,
            Err(denied) => {
                let action = denied.asked.as_ref().map(|asked| asked.action.clone()).unwrap_or_default();
                let seen = seen(denied.rule, false, action, &format!("{method} {target}: {}", denied.why));
                return (seen, denied.answer);
            }
        };
        let mut seen = seen(&allowed.rule, true, allowed.asked.action.clone(), "");
        let real = key("ASIAREAL", "real", Some("real token"));
        let mut signed = allowed.sign(&real, now).unwrap();
        let mut sent = Vec::new();
        for piece in body.chunks(1000) {
            sent.extend_from_slice(&signed.body.push(Bytes::copy_from_slice(piece)).unwrap());
        }
        sent.extend_from_slice(&signed.body.finish().unwrap());
        assert_eq!(sent.len(), body.len());
        // What AWS would see is a request of the real key.
        let headers: Vec<(&str, &str)> =
            signed.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let upstream = parts(method, &signed.target, &headers);
        let (_, verified) = verify(&upstream, &self.authority, &real, Some(sha256(&sent)), now).unwrap();
        seen.payload = Some(verified.payload().clone());
        seen.body = sent.into();
        let mut answer = of_aws(&seen.action, method);
        if target.contains(".tflock") && method == "PUT" {
            *self.lock.lock().unwrap() = seen.body.clone();
        } else if target.contains(".tflock") && method == "GET" {
            answer.status = http::StatusCode::OK;
            answer.body = self.lock.lock().unwrap().clone();
        }
        (seen, answer)
    }
}

/// As much of AWS as a plan needs.
fn of_aws(action: &str, method: &str) -> Denial {
    let (status, body) = match action {
        "sts:GetCallerIdentity" => (
            200,
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:sts::111111111111:assumed-role/r/s</Arn><UserId>A:s</UserId><Account>111111111111</Account>\
             </GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
        ),
        "s3:ListBucket" => (200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
        "s3:GetObject" if method == "HEAD" => (200, ""),
        "s3:GetObject" => (404, "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"),
        "s3:PutObject" => (200, ""),
        "s3:DeleteObject" => (204, ""),
        _ => (403, ""),
    };
    let mut answer = denial(Form::RestJson, &method.parse().unwrap(), "not in this double", "1");
    if status != 403 {
        answer.headers.retain(|(name, _)| name == "content-type");
        answer.headers[0].1 = http::HeaderValue::from_static("text/xml");
        answer.status = http::StatusCode::from_u16(status).unwrap();
        answer.body = Bytes::from_static(if method == "HEAD" { b"" } else { body.as_bytes() });
    }
    answer
}

fn task(phase: Phase) -> Task {
    let rights = Rights {
        phase,
        account: "111111111111".into(),
        regions: BTreeSet::from(["eu-west-1".to_string()]),
        buckets: vec!["some-bucket".into(), "site".into()],
        states: vec![State { bucket: "states".into(), key: "dev/vpc".into(), lock_table: None }],
        grants: vec![Grant {
            name: "site".into(),
            phases: BTreeSet::from([Phase::Apply]),
            actions: vec![Actions::parse("s3:*").unwrap()],
            resources: vec!["site/*".into()],
        }],
        roles: BTreeSet::new(),
    };
    Task::new(mint(&[5; RANDOM_BYTES]), rights, Endpoints(vec!["127.0.0.1".into()]))
}

const SERVICES: &str = "dynamodb ec2 iam kms lambda logs route53 s3 secretsmanager sns sqs ssm sts";

fn configuration(endpoint: &str, backend: bool) -> String {
    let key = mint(&[5; RANDOM_BYTES]);
    let (id, secret, token) = (&key.access_key_id, &key.secret_access_key, key.session_token.as_deref().unwrap());
    let keys =
        format!("access_key = \"{id}\"\n secret_key = \"{secret}\"\n token = \"{token}\"\n region = \"eu-west-1\"\n");
    let endpoints: String = SERVICES.split(' ').map(|name| format!("    {name} = \"{endpoint}\"\n")).collect();
    let backend = if backend {
        format!(
            "backend \"s3\" {{\n bucket = \"states\"\n key = \"dev/vpc\"\n use_lockfile = true\n use_path_style = true\n \
             skip_metadata_api_check = true\n max_retries = 1\n {keys} endpoints = {{ s3 = \"{endpoint}\", sts = \"{endpoint}\", iam = \"{endpoint}\" }}\n}}"
        )
    } else {
        String::new()
    };
    format!(
        "terraform {{\n required_providers {{ aws = {{ source = \"hashicorp/aws\" }} }}\n {backend}\n}}\n\
         provider \"aws\" {{\n {keys} max_retries = 1\n s3_use_path_style = true\n skip_metadata_api_check = true\n \
         endpoints {{\n{endpoints}  }}\n}}\n"
    )
}

const DATA: &str = r#"
data "aws_caller_identity" "this" {}
data "aws_vpcs" "all" {}
data "aws_iam_role" "r" { name = "r" }
data "aws_route53_zone" "z" { name = "example.com" }
data "aws_lambda_function" "f" { function_name = "f" }
data "aws_dynamodb_table" "t" { name = "t" }
data "aws_sqs_queue" "q" { name = "q" }
data "aws_sns_topic" "t" { name = "t" }
data "aws_kms_key" "k" { key_id = "alias/k" }
data "aws_ssm_parameter" "p" { name = "/app/p" }
data "aws_secretsmanager_secret_version" "s" { secret_id = "app/db" }
data "aws_cloudwatch_log_groups" "g" {}
data "aws_s3_bucket" "b" { bucket = "some-bucket" }
data "aws_s3_object" "o" {
  bucket = "some-bucket"
  key    = "a b/ü+(1).txt"
}
"#;

/// Runs Terraform; what it printed.
#[allow(clippy::disallowed_methods, reason = "a test may start Terraform")]
fn terraform(folder: &Path, mirror: &str, arguments: &[&str]) -> String {
    let rc = folder.join("rc");
    let text = format!("provider_installation {{\n filesystem_mirror {{ path = \"{mirror}\" }}\n}}\n");
    fs::write(&rc, text).unwrap();
    let output = Command::new("terraform")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", folder)
        .env("TF_CLI_CONFIG_FILE", &rc)
        .env("CHECKPOINT_DISABLE", "1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The provider's folder, if all that the tests need is there.
#[allow(clippy::disallowed_methods, reason = "a test may look for Terraform and read where its provider is")]
fn mirror() -> Option<String> {
    let mirror = std::env::var("PORTCULLIS_PROVIDER_MIRROR").ok();
    let terraform = Command::new("terraform").arg("version").env("CHECKPOINT_DISABLE", "1").output().is_ok();
    if mirror.is_none() || !terraform {
        eprintln!("SKIPPED: needs terraform on PATH, and PORTCULLIS_PROVIDER_MIRROR to name a mirror of hashicorp/aws");
        return None;
    }
    mirror
}

#[test]
fn a_plan_with_the_state_in_s3_is_understood_request_by_request() {
    let Some(mirror) = mirror() else { return };
    let folder = tempfile::tempdir().unwrap();
    let double = serve(task(Phase::Plan));
    let endpoint = format!("http://{}", double.authority);
    fs::write(folder.path().join("main.tf"), configuration(&endpoint, true) + DATA).unwrap();
    let init = terraform(folder.path(), &mirror, &["init", "-no-color"]);
    assert!(init.contains("successfully initialized"), "{init}");
    let plan = terraform(folder.path(), &mirror, &["plan", "-no-color", "-input=false"]);
    let seen = double.seen.lock().unwrap().clone();
    let lost: Vec<&Seen> =
        seen.iter().filter(|seen| !seen.allowed && ["signature", "recognised"].contains(&seen.rule.as_str())).collect();
    assert!(lost.is_empty(), "{lost:#?}");
    let with = |rule: &str| -> BTreeSet<&str> {
        seen.iter().filter(|seen| seen.rule == rule).map(|seen| seen.action.as_str()).collect()
    };
    for action in [
        "sts:GetCallerIdentity",
        "ec2:DescribeVpcs",
        "iam:GetRole",
        "route53:ListHostedZones",
        "lambda:ListVersionsByFunction",
        "dynamodb:DescribeTable",
        "sqs:GetQueueUrl",
        "sns:ListTopics",
        "kms:DescribeKey",
        "logs:DescribeLogGroups",
        "s3:ListBucket",
        "s3:GetObject",
    ] {
        assert!(with("reads").contains(action), "{action}: {:?}", with("reads"));
    }
    for action in ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"] {
        assert!(with("state").contains(action), "{action}: {:?}", with("state"));
    }
    let secrets = ["s3:GetObject", "secretsmanager:GetSecretValue", "ssm:GetParameter"];
    assert_eq!(with("secrets"), BTreeSet::from(secrets));
    let shown = plan.replace(['│', '\n'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "portcullis: secretsmanager:GetSecretValue on app/db is not allowed while planning: a grant has to name it",
        "portcullis: ssm:GetParameter on /app/p is not allowed while planning",
    ] {
        assert!(shown.contains(text), "{shown}");
    }
}

#[test]
fn an_upload_leaves_as_it_was_signed_again() {
    let Some(mirror) = mirror() else { return };
    let folder = tempfile::tempdir().unwrap();
    let double = serve(task(Phase::Apply));
    let endpoint = format!("http://{}", double.authority);
    let text = "resource \"aws_s3_object\" \"o\" {\n bucket = \"site\"\n key = \"a b/x.txt\"\n content = \"hello from inside\"\n}\n\
        resource \"aws_s3_object\" \"other\" {\n bucket = \"other\"\n key = \"x\"\n content = \"hello\"\n}\n";
    fs::write(folder.path().join("main.tf"), configuration(&endpoint, false) + text).unwrap();
    let init = terraform(folder.path(), &mirror, &["init", "-no-color"]);
    assert!(init.contains("successfully initialized"), "{init}");
    let apply = terraform(folder.path(), &mirror, &["apply", "-no-color", "-input=false", "-auto-approve"]);
    let seen = double.seen.lock().unwrap().clone();
    assert!(seen.iter().all(|seen| !["signature", "recognised"].contains(&seen.rule.as_str())), "{seen:#?}");
    let put: Vec<&Seen> = seen.iter().filter(|seen| seen.action == "s3:PutObject").collect();
    let sent = put.iter().find(|seen| seen.rule == "site").unwrap_or_else(|| panic!("{seen:#?}"));
    let hello = b"hello from inside";
    assert!(sent.body.windows(hello.len()).any(|window| window == hello), "{:?}", sent.body);
    println!("the provider's upload is {:?}", sent.payload);
    assert!(put.iter().any(|seen| seen.rule == "grants" && !seen.allowed), "{seen:#?}");
    let shown = apply.replace(['│', '\n'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("portcullis: s3:PutObject on other/x is not allowed while applying"), "{shown}");
}
