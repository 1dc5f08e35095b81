//! A request from its head to the signed request, as a proxy takes it there.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use jiff::Timestamp;
use portcullis_broker::aws::judge::{Actions, Form, Grant, Phase, Rights, State, denial};
use portcullis_broker::aws::role::{RANDOM_BYTES, answer, mint};
use portcullis_broker::aws::sigv4::Credentials;
use portcullis_broker::aws::table::Endpoints;
use portcullis_broker::aws::{Allowed, BodyRead, Denied, Identity, SESSIONS_MAX, Task};

use super::{key, parts, sha256, verify};

const SECONDS: u64 = 1_780_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(i64::try_from(SECONDS).unwrap()).unwrap()
}

fn rights(phase: Phase) -> Rights {
    Rights {
        phase,
        account: "111111111111".into(),
        regions: BTreeSet::from(["eu-west-1".to_string()]),
        buckets: Vec::new(),
        states: vec![State { bucket: "states".into(), key: "dev/vpc".into(), lock_table: None }],
        grants: vec![Grant {
            name: "grant \"network\"".into(),
            phases: BTreeSet::from([Phase::Apply]),
            actions: vec![Actions::parse("ec2:*").unwrap()],
            resources: Vec::new(),
        }],
        roles: BTreeSet::from(["arn:aws:iam::222222222222:role/dns".to_string()]),
    }
}

fn task(phase: Phase) -> (Task, Credentials) {
    let placeholder = mint(&[9; RANDOM_BYTES]);
    (Task::new(placeholder.clone(), rights(phase), Endpoints::default()), placeholder)
}

/// A request with a body, signed as AWS's own signer does it, for services other than S3.
fn signed(key: &Credentials, service: &str, host: &str, headers: &[(&str, &str)], body: &[u8]) -> Parts {
    let region = if host.contains("eu-west-1") { "eu-west-1" } else { "us-east-1" };
    let mut all = vec![("host", host)];
    all.extend_from_slice(headers);
    let mut request = http::Request::builder().method("POST").uri(format!("https://{host}/"));
    for (name, value) in &all {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).unwrap();
    let identity = aws_credential_types::Credentials::new(
        &key.access_key_id,
        &key.secret_access_key,
        key.session_token.clone(),
        None,
        "test",
    )
    .into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(SECONDS))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let uri = request.uri().to_string();
    let signable = SignableRequest::new("POST", uri, all.into_iter(), SignableBody::Bytes(body)).unwrap();
    sign(signable, &params).unwrap().into_parts().0.apply_to_request_http1x(&mut request);
    request.into_parts().0
}

fn judge(task: &Task, head: &Parts, host: &str, body: &[u8]) -> Result<Allowed, Box<Denied>> {
    let call = task.begin(head, host, now())?;
    let digest = call.body().digest.then(|| sha256(body));
    call.judge(task, BodyRead { whole: Some(body), digest })
}

const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
const EC2: &str = "ec2.eu-west-1.amazonaws.com";
const STS: &str = "sts.eu-west-1.amazonaws.com";

#[test]
fn what_is_allowed_leaves_with_the_real_signature() {
    let (task, placeholder) = task(Phase::Apply);
    let body = b"Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16";
    let head = signed(&placeholder, "ec2", EC2, FORM, body);
    let allowed = judge(&task, &head, EC2, body).unwrap();
    assert_eq!((allowed.rule.as_str(), &allowed.identity), ("grant \"network\"", &Identity::Task));
    assert_eq!((allowed.asked.action.as_str(), allowed.asked.region.as_str()), ("ec2:CreateVpc", "eu-west-1"));
    let real = key("ASIAREAL", "real", Some("real token"));
    let signed = allowed.sign(&real, now()).unwrap();
    let headers: Vec<(&str, &str)> =
        signed.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let sent = parts("POST", &signed.target, &headers);
    verify(&sent, EC2, &real, Some(sha256(body)), now()).unwrap();
    let mut relay = signed.body;
    assert!(relay.push(Bytes::from_static(body)).unwrap().is_empty(), "held back until it is known to be right");
    assert_eq!(relay.finish().unwrap(), Bytes::from_static(body));
}

#[test]
fn what_is_denied_says_by_which_rule() {
    let body = b"Action=CreateVpc&Version=2016-11-15";
    let ask = |phase, host: &str, body: &[u8]| {
        let (task, placeholder) = task(phase);
        let head = signed(&placeholder, if host == EC2 { "ec2" } else { "iam" }, host, FORM, body);
        judge(&task, &head, host, body).unwrap_err()
    };
    let denied = ask(Phase::Plan, EC2, body);
    let text = String::from_utf8(denied.answer.body.to_vec()).unwrap();
    assert_eq!((denied.rule, denied.answer.status.as_u16()), ("phase", 403));
    assert!(text.contains("<Code>UnauthorizedOperation</Code>"), "{text}");
    assert!(text.contains("portcullis: ec2:CreateVpc is not allowed while planning"), "{text}");
    assert_eq!(denied.asked.unwrap().action, "ec2:CreateVpc");
    assert_eq!(ask(Phase::Fetch, EC2, body).rule, "phase");
    assert_eq!(ask(Phase::Outputs, EC2, body).rule, "phase");
    let unknown = b"Action=MakeCoffee&Version=2016-11-15";
    assert_eq!(ask(Phase::Apply, EC2, unknown).rule, "recognised");
    let role = b"Action=CreateRole&Version=2010-05-08&RoleName=r";
    assert_eq!(ask(Phase::Apply, "iam.amazonaws.com", role).rule, "grants");
    let (task, _) = task(Phase::Apply);
    let head = signed(&key("AKIAOWN", "own", None), "ec2", EC2, FORM, body);
    assert_eq!(judge(&task, &head, EC2, body).unwrap_err().rule, "signature");
    assert_eq!(judge(&task, &parts("POST", "/", FORM), EC2, body).unwrap_err().rule, "signature");
}

#[test]
fn another_body_than_the_signed_one_is_not_judged() {
    let (task, placeholder) = task(Phase::Apply);
    let head = signed(&placeholder, "ec2", EC2, FORM, b"Action=DescribeVpcs&Version=2016-11-15");
    let denied = judge(&task, &head, EC2, b"Action=CreateVpc&Version=2016-11-15").unwrap_err();
    assert_eq!(denied.rule, "signature");
}

fn assume(role: &str) -> Vec<u8> {
    let arn = role.replace(':', "%3A").replace('/', "%2F");
    format!("Action=AssumeRole&Version=2011-06-15&RoleSessionName=x&RoleArn={arn}").into_bytes()
}

#[test]
fn a_role_is_assumed_and_its_keys_stay_outside() {
    let (mut task, placeholder) = task(Phase::Apply);
    let dns = "arn:aws:iam::222222222222:role/dns";
    let body = assume(dns);
    let mut headers = FORM.to_vec();
    headers.extend([("accept", "application/json"), ("accept-encoding", "gzip")]);
    let head = signed(&placeholder, "sts", STS, &headers, &body);
    let allowed = judge(&task, &head, STS, &body).unwrap();
    assert_eq!((allowed.rule.as_str(), allowed.assumes()), ("roles", Some(dns)));
    let signed_request = allowed.sign(&key("AKIAREAL", "real", None), now()).unwrap();
    assert!(!signed_request.headers.contains_key("accept") && !signed_request.headers.contains_key("accept-encoding"));

    let from_sts = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>\
        <SecretAccessKey>role secret</SecretAccessKey></Credentials></AssumeRoleResult></AssumeRoleResponse>";
    assert!(answer(from_sts.as_bytes(), dns, mint(&[1; RANDOM_BYTES])).is_err());
    let from_sts = from_sts.replace("role secret", "role/secret").replace(
        "</Credentials>",
        "<SessionToken>role/token</SessionToken><Expiration>2026-05-28T21:00:00Z</Expiration></Credentials>",
    );
    let (inside, session) = answer(from_sts.as_bytes(), dns, mint(&[1; RANDOM_BYTES])).unwrap();
    let given = session.placeholder.clone();
    assert!(inside.contains(&given.secret_access_key) && !inside.contains("role/secret"));
    task.keep(session);

    let body = b"Action=DescribeVpcs&Version=2016-11-15";
    let head = signed(&given, "ec2", EC2, FORM, body);
    let allowed = judge(&task, &head, EC2, body).unwrap();
    let Identity::Role { role, real, .. } = allowed.identity.clone() else { panic!("not the role's") };
    assert_eq!((role.as_str(), real.secret_access_key.as_str()), (dns, "role/secret"));
    let signed_request = allowed.sign(&real, now()).unwrap();
    assert_eq!(signed_request.headers["x-amz-security-token"], "role/token");

    // What is the role's own is of its account, not of the task's.
    let topic = |account: &str| {
        let body = format!(
            "Action=GetTopicAttributes&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A{account}%3At"
        );
        let head = signed(&given, "sns", "sns.eu-west-1.amazonaws.com", FORM, body.as_bytes());
        judge(&task, &head, "sns.eu-west-1.amazonaws.com", body.as_bytes()).map(|allowed| allowed.rule)
    };
    assert_eq!(topic("222222222222").unwrap(), "reads");
    assert_eq!(topic("111111111111").unwrap_err().rule, "foreign");

    let other = assume("arn:aws:iam::222222222222:role/admin");
    let head = signed(&placeholder, "sts", STS, FORM, &other);
    assert_eq!(judge(&task, &head, STS, &other).unwrap_err().rule, "roles");
    for operation in ["GetSessionToken", "GetFederationToken", "AssumeRoleWithSAML"] {
        let body = format!("Action={operation}&Version=2011-06-15&RoleArn={dns}").into_bytes();
        let head = signed(&placeholder, "sts", STS, FORM, &body);
        assert_eq!(judge(&task, &head, STS, &body).unwrap_err().rule, "sessions", "{operation}");
    }
}

#[test]
fn a_task_keeps_so_many_sessions_and_no_more() {
    let (mut task, _) = task(Phase::Apply);
    let body = b"Action=DescribeVpcs&Version=2016-11-15";
    let mut first = None;
    for n in 0..=u8::try_from(SESSIONS_MAX).unwrap() {
        let text = "<a><AccessKeyId>A</AccessKeyId><SecretAccessKey>S3cr3t</SecretAccessKey><SessionToken>T</SessionToken>\
            <Expiration>2026-05-28T21:00:00Z</Expiration></a>";
        let (_, session) = answer(
            text.as_bytes(),
            "r",
            mint(&std::array::from_fn(|at| [n % 32, n / 32].get(at).copied().unwrap_or(0))),
        )
        .unwrap();
        first.get_or_insert_with(|| session.placeholder.clone());
        task.keep(session);
    }
    let head = signed(&first.unwrap(), "ec2", EC2, FORM, body);
    assert_eq!(judge(&task, &head, EC2, body).unwrap_err().rule, "signature");
}

/// Each form of a denial, read by a client of AWS: it shows the reason, and does not try again.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test may start Python")]
fn clients_understand_a_denial() {
    let has_it = Command::new("python3").args(["-c", "import botocore"]).stderr(Stdio::null()).status();
    if !has_it.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: python3 has no botocore (pip install botocore)");
        return;
    }
    let message = "s3:PutObject on <bkt> & \"k\" is not allowed while planning (rule `phase`)";
    let cases = [
        ("s3", "PutObject", r#"{"Bucket":"bkt","Key":"k"}"#, Form::S3, Method::PUT, "AccessDenied"),
        ("iam", "CreateUser", r#"{"UserName":"u"}"#, Form::Xml, Method::POST, "AccessDenied"),
        ("route53", "GetHostedZone", r#"{"Id":"z"}"#, Form::Xml, Method::GET, "AccessDenied"),
        ("ec2", "DescribeVpcs", "{}", Form::Ec2, Method::POST, "UnauthorizedOperation"),
        ("dynamodb", "ListTables", "{}", Form::Json, Method::POST, "AccessDeniedException"),
        ("lambda", "ListFunctions", "{}", Form::RestJson, Method::GET, "AccessDeniedException"),
        ("s3", "HeadObject", r#"{"Bucket":"bkt","Key":"k"}"#, Form::S3, Method::HEAD, "403"),
    ];
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/aws/read_by_botocore.py");
    let mut python = Command::new("python3")
        .arg(script)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    for (service, operation, params, form, method, _) in &cases {
        let answer = denial(*form, method, message, "id-1");
        let headers: serde_json::Map<String, serde_json::Value> =
            answer.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
        let case = serde_json::json!({
            "service": service,
            "operation": operation,
            "params": serde_json::from_str::<serde_json::Value>(params).unwrap(),
            "status": answer.status.as_u16(),
            "headers": headers,
            "body": base64::engine::general_purpose::STANDARD.encode(&answer.body),
        });
        writeln!(input, "{case}").unwrap();
    }
    drop(input);
    let output = python.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let seen: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(seen.len(), cases.len());
    for ((service, operation, _, _, method, code), seen) in cases.iter().zip(&seen) {
        assert_eq!(seen["code"].as_str(), Some(*code), "{service} {operation}: {seen}");
        assert_eq!(seen["tries"], 1, "{service} {operation}");
        if method != Method::HEAD {
            assert_eq!(seen["message"].as_str(), Some(&*format!("portcullis: {message}")), "{service} {operation}");
        }
    }
}

/// botocore here may speak CBOR to no service yet, so its form is compared with the bytes of RFC 8949.
#[test]
fn a_denial_in_cbor_is_a_map_of_texts() {
    let answer = denial(Form::Cbor, &Method::POST, "no", "id");
    let text = |text: &str| [&[0x79, 0, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let wanted = [vec![0xa2], text("__type"), text("AccessDeniedException"), text("message"), text("portcullis: no")];
    assert_eq!(answer.body, wanted.concat());
}
