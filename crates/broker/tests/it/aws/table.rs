//! Operations: how they are told apart, and what is done to make one look like another.

use portcullis_broker::aws::Request;
use portcullis_broker::aws::sigv4::Scope;
use portcullis_broker::aws::table::{
    Body, Endpoints, Level, Protocol, Recognised, Region, Resource, Unrecognised, Wanted, recognise, wanted,
};
use proptest::prelude::*;

use super::parts;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
const JSON10: (&str, &str) = ("content-type", "application/x-amz-json-1.0");
const JSON11: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
const IAM: &str = "Action=GetUser&Version=2010-05-08";

fn ask(
    host: &str,
    service: &str,
    (method, target): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Recognised, String> {
    let request = Request::read(&parts(method, target, headers), host).map_err(|fault| fault.to_string())?;
    let region = if host.contains("eu-west-1") { "eu-west-1" } else { "us-east-1" };
    let scope = Scope { date: "20260101".into(), region: region.into(), service: service.into() };
    recognise(&request, &scope, &Endpoints::default(), Body::Whole(body.as_bytes())).map_err(|fault| fault.to_string())
}

fn actions(found: &Recognised) -> Vec<&str> {
    found.needs.iter().map(|need| need.action.as_str()).collect()
}

fn s3(line: (&str, &str), headers: &[(&str, &str)]) -> Result<Recognised, String> {
    ask("s3.eu-west-1.amazonaws.com", "s3", line, headers, "")
}

#[test]
fn the_sub_resources_of_s3_are_told_apart() {
    for (method, target, operation, wanted, resource) in [
        ("GET", "/", "ListBuckets", &["s3:ListAllMyBuckets"][..], None),
        ("GET", "/bkt", "ListObjects", &["s3:ListBucket"], Some("bkt")),
        ("GET", "/bkt/", "ListObjects", &["s3:ListBucket"], Some("bkt")),
        ("GET", "/bkt?list-type=2&prefix=a%2F", "ListObjectsV2", &["s3:ListBucket"], Some("bkt")),
        ("HEAD", "/bkt", "HeadBucket", &["s3:ListBucket"], Some("bkt")),
        ("PUT", "/bkt", "CreateBucket", &["s3:CreateBucket"], Some("bkt")),
        ("GET", "/bkt?acl", "GetBucketAcl", &["s3:GetBucketAcl"], Some("bkt")),
        ("PUT", "/bkt?policy", "PutBucketPolicy", &["s3:PutBucketPolicy"], Some("bkt")),
        ("DELETE", "/bkt?policy", "DeleteBucketPolicy", &["s3:DeleteBucketPolicy"], Some("bkt")),
        ("GET", "/bkt/a/b", "GetObject", &["s3:GetObject"], Some("bkt/a/b")),
        ("GET", "/bkt/a%20b//c?x-id=GetObject", "GetObject", &["s3:GetObject"], Some("bkt/a b//c")),
        ("GET", "/bkt/k?versionId=1", "GetObject", &["s3:GetObjectVersion"], Some("bkt/k")),
        ("GET", "/bkt/k?acl&versionId=1", "GetObjectAcl", &["s3:GetObjectVersionAcl"], Some("bkt/k")),
        ("PUT", "/bkt/k?tagging", "PutObjectTagging", &["s3:PutObjectTagging"], Some("bkt/k")),
        ("PUT", "/bkt/k?partNumber=1&uploadId=u", "UploadPart", &["s3:PutObject"], Some("bkt/k")),
        ("POST", "/bkt/k?uploads", "CreateMultipartUpload", &["s3:PutObject"], Some("bkt/k")),
        ("POST", "/bkt/k?uploadId=u", "CompleteMultipartUpload", &["s3:PutObject"], Some("bkt/k")),
        ("DELETE", "/bkt/k?uploadId=u", "AbortMultipartUpload", &["s3:AbortMultipartUpload"], Some("bkt/k")),
        ("DELETE", "/bkt/k", "DeleteObject", &["s3:DeleteObject"], Some("bkt/k")),
        ("POST", "/bkt?delete", "DeleteObjects", &["s3:DeleteObject"], Some("bkt")),
    ] {
        let found = s3((method, target), &[]).unwrap_or_else(|why| panic!("{method} {target}: {why}"));
        assert_eq!((found.operation.as_str(), actions(&found).as_slice()), (operation, wanted), "{method} {target}");
        let named = resource.map_or(Resource::Unnamed, |name| Resource::Named(vec![name.into()]));
        assert_eq!(found.needs[0].resource, named, "{method} {target}");
    }
    let virtual_host = ask("bkt.s3.eu-west-1.amazonaws.com", "s3", ("GET", "/a//b"), &[], "").unwrap();
    assert_eq!(virtual_host.needs[0].resource, Resource::Named(vec!["bkt/a//b".into()]));
    let root = ask("bkt.s3.eu-west-1.amazonaws.com", "s3", ("GET", "/?location"), &[], "").unwrap();
    assert_eq!(root.operation, "GetBucketLocation");
}

#[test]
fn headers_of_s3_need_what_they_do() {
    let copy = s3(("PUT", "/bkt/k"), &[("x-amz-copy-source", "/other/secret%20key?versionId=3")]).unwrap();
    assert_eq!((copy.operation.as_str(), actions(&copy)), ("CopyObject", vec!["s3:PutObject", "s3:GetObject"]));
    assert_eq!(copy.needs[1].resource, Resource::Named(vec!["other/secret key".into()]));
    let headers = [("x-amz-acl", "public-read"), ("x-amz-tagging", "a=b"), ("x-amz-object-lock-legal-hold", "ON")];
    let put = s3(("PUT", "/bkt/k"), &headers).unwrap();
    assert_eq!(actions(&put), ["s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging", "s3:PutObjectLegalHold"]);
    assert_eq!(put.needs[1].level, Level::Permissions);
    let bucket = s3(("PUT", "/bkt"), &[("x-amz-grant-read", "id=1")]).unwrap();
    assert_eq!(actions(&bucket), ["s3:CreateBucket", "s3:PutBucketAcl"]);
    for source in ["arn:aws:s3:eu-west-1:1:accesspoint/a/object/k", "bkt", "/bkt/../k", "%zz/k"] {
        let copy = s3(("PUT", "/bkt/k"), &[("x-amz-copy-source", source)]).unwrap();
        assert_eq!(copy.needs[1].resource, Resource::Unnamed, "{source}");
    }
}

#[test]
fn what_s3_could_take_for_another_operation_is_refused_or_needs_both() {
    let both = s3(("GET", "/bkt?acl&policy"), &[]).unwrap();
    let mut needed = actions(&both);
    needed.sort_unstable();
    assert_eq!(needed, ["s3:GetBucketAcl", "s3:GetBucketPolicy"]);
    let both = s3(("GET", "/bkt/k?uploadId=u&acl"), &[]).unwrap();
    assert_eq!(both.needs.len(), 2);
    for (method, target) in [
        ("GET", "/bkt?ACL"),
        ("GET", "/bkt?newthing"),
        ("PUT", "/bkt?newthing"),
        ("GET", "/bkt/k?x-id=PutObject"),
        ("GET", "/bkt/k?x-id=GetObject&x-id=PutObject"),
        ("GET", "/bkt/k?versionId=1&versionId=2"),
        ("PUT", "/bkt/k?x-amz-acl=public-read"),
        ("PUT", "/bkt/k?X-Amz-Copy-Source=%2Fa%2Fb"),
        ("POST", "/bkt"),
        ("POST", "/bkt/k"),
        ("PATCH", "/bkt/k"),
        ("get", "/bkt/k"),
        ("GET", "//bkt/k"),
        ("OPTIONS", "/bkt/k"),
        ("GET", "/bkt?torrent"),
    ] {
        assert!(s3((method, target), &[]).is_err(), "{method} {target}");
    }
    for headers in [&[("x-amz-target", "DynamoDB_20120810.GetItem")][..], &[("smithy-protocol", "rpc-v2-cbor")]] {
        assert!(s3(("GET", "/bkt/k"), headers).is_err(), "{headers:?}");
    }
}

fn iam(line: (&str, &str), headers: &[(&str, &str)], body: &str) -> Result<Recognised, String> {
    ask("iam.amazonaws.com", "iam", line, headers, body)
}

#[test]
fn the_query_protocols_name_their_operation_once() {
    let body =
        "Action=AttachRolePolicy&Version=2010-05-08&RoleName=a+b&PolicyArn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FX";
    let found = iam(("POST", "/"), &[FORM], body).unwrap();
    assert_eq!(
        (found.protocol, &found.region, actions(&found)),
        (Protocol::Query, &Region::Global, vec!["iam:AttachRolePolicy"])
    );
    assert_eq!(
        (found.needs[0].level, &found.needs[0].resource),
        (Level::Permissions, &Resource::Named(vec!["a b".into(), "arn:aws:iam::aws:policy/X".into()]))
    );
    assert!(iam(("GET", &format!("/?{IAM}")), &[], "").is_ok());
    let ec2 = "Action=RunInstances&Version=2016-11-15";
    let found = ask("ec2.eu-west-1.amazonaws.com", "ec2", ("POST", "/"), &[FORM], ec2).unwrap();
    assert_eq!((found.protocol, actions(&found)), (Protocol::Ec2, vec!["ec2:RunInstances"]));
    for (line, headers, body) in [
        (("POST", "/"), &[FORM][..], "Action=GetUser&Action=DeleteUser&Version=2010-05-08"),
        (("POST", "/"), &[FORM], "Action=GetUser&action=DeleteUser&Version=2010-05-08"),
        (("POST", "/"), &[FORM], "Action=GetUser&%41ction=DeleteUser&Version=2010-05-08"),
        (("POST", "/?Action=DeleteUser"), &[FORM], IAM),
        (("POST", "/?Action=DeleteUser&Version=2010-05-08"), &[FORM], IAM),
        (("POST", "/"), &[FORM], "Action=GetUser"),
        (("POST", "/"), &[FORM], "Action=GetUser&Version=2000-01-01"),
        (("POST", "/"), &[FORM], "Action=getuser&Version=2010-05-08"),
        (("POST", "/"), &[FORM], "Action=GetUser%00&Version=2010-05-08"),
        (("POST", "/"), &[FORM], "Action=GetUser;Version=2010-05-08"),
        (("POST", "/"), &[FORM], "Action=%zz&Version=2010-05-08"),
        (("POST", "/"), &[("content-type", "application/x-www-form-urlencoded; charset=utf-16")], IAM),
        (("POST", "/"), &[("content-type", "multipart/form-data; boundary=x")], IAM),
        (("POST", "/"), &[("content-type", "text/plain")], IAM),
        (("POST", "/"), &[], IAM),
        (("POST", "/"), &[FORM, ("content-encoding", "gzip")], IAM),
        (("POST", "/"), &[FORM, ("x-amz-target", "AWSIdentity.DeleteUser")], IAM),
        (("PUT", "/"), &[FORM], IAM),
        (("GET", &format!("/?{IAM}")), &[FORM], "Action=DeleteUser&Version=2010-05-08"),
        (("POST", "/x"), &[FORM], IAM),
        (("POST", "/"), &[FORM], ""),
    ] {
        assert!(iam(line, headers, body).is_err(), "{line:?} {headers:?} {body}");
    }
}

#[test]
fn what_speaks_several_protocols_is_read_by_one() {
    let sqs = |headers: &[(&str, &str)], target, body| {
        ask("sqs.eu-west-1.amazonaws.com", "sqs", ("POST", target), headers, body)
    };
    let send = ("x-amz-target", "AmazonSQS.SendMessage");
    let body = r#"{"QueueUrl":"https://q/1/a"}"#;
    let found = sqs(&[JSON10, send], "/", body).unwrap();
    assert_eq!((found.protocol, actions(&found)), (Protocol::Json, vec!["sqs:SendMessage"]));
    assert_eq!(found.needs[0].resource, Resource::Named(vec!["https://q/1/a".into()]));
    let form = "Action=ReceiveMessage&Version=2012-11-05&QueueUrl=q";
    assert_eq!(sqs(&[FORM], "/", form).unwrap().protocol, Protocol::Query);
    let cbor = |headers: &[(&str, &str)], target| {
        ask("monitoring.eu-west-1.amazonaws.com", "monitoring", ("POST", target), headers, "")
    };
    let rpc = ("smithy-protocol", "rpc-v2-cbor");
    let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    let found = cbor(&[rpc], path).unwrap();
    assert_eq!((found.protocol, actions(&found)), (Protocol::Cbor, vec!["cloudwatch:PutMetricData"]));
    for result in [
        sqs(&[FORM, send], "/", form),
        sqs(&[JSON10, send], "/?Action=ReceiveMessage&Version=2012-11-05", body),
        sqs(&[JSON11, send], "/", body),
        sqs(&[JSON10, send], "/x", body),
        sqs(&[JSON10, ("x-amz-target", "DynamoDB_20120810.GetItem")], "/", body),
        sqs(&[JSON10, ("x-amz-target", "SendMessage")], "/", body),
        sqs(&[JSON10, ("x-amz-target", "AmazonSQS.sendmessage")], "/", body),
        sqs(&[JSON10, send], "/", r#"{"QueueUrl":"a","QueueUrl":"b"}"#),
        sqs(&[JSON10], "/", form),
        cbor(&[], path),
        cbor(&[rpc, ("x-amz-target", "GraniteServiceVersion20100801.DeleteAlarms"), JSON10], path),
        cbor(&[("smithy-protocol", "rpc-v2-json")], path),
        cbor(&[rpc, FORM], path),
        cbor(&[rpc], "/service/Other/operation/PutMetricData"),
        cbor(&[rpc], "/service/GraniteServiceVersion20100801/operation/PutMetricData/"),
        cbor(&[rpc], &format!("{path}?Action=DeleteAlarms")),
    ] {
        assert!(result.is_err(), "{result:?}");
    }
}

#[test]
fn rest_takes_what_says_most() {
    let lambda = |method, target| ask("lambda.eu-west-1.amazonaws.com", "lambda", (method, target), &[], "");
    let found =
        lambda("POST", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Af/invocations").unwrap();
    assert_eq!(actions(&found), ["lambda:InvokeFunction"]);
    assert_eq!(found.needs[0].resource, Resource::Named(vec!["arn:aws:lambda:eu-west-1:1:function:f".into()]));
    assert_eq!(actions(&lambda("GET", "/2015-03-31/functions/").unwrap()), ["lambda:ListFunctions"]);
    assert_eq!(actions(&lambda("GET", "/2015-03-31/functions").unwrap()), ["lambda:ListFunctions"]);
    // A slash in a name: whoever divides after decoding sees another operation.
    let both = lambda("GET", "/2015-03-31/functions/f%2Fpolicy").unwrap();
    assert_eq!(actions(&both), ["lambda:GetFunction", "lambda:GetPolicy"]);
    assert!(lambda("GET", "/2015-03-31/functions/f%252Fpolicy").is_err());
    let ses = |headers: &[(&str, &str)], target| {
        ask(
            "email.eu-west-1.amazonaws.com",
            "ses",
            ("POST", target),
            headers,
            "Action=DeleteIdentity&Version=2010-12-01",
        )
    };
    assert_eq!(actions(&ses(&[], "/v2/email/tags").unwrap()), ["ses:TagResource"]);
    assert_eq!(actions(&ses(&[FORM], "/").unwrap()), ["ses:DeleteIdentity"]);
    for kind in [FORM.1, "Application/X-WWW-Form-URLEncoded", "application/x-www-form-urlencoded; charset=latin1"] {
        assert!(ses(&[("content-type", kind)], "/v2/email/tags").is_err(), "{kind}");
    }
    assert!(ses(&[], "/v2/email/tags?Action=DeleteIdentity&Version=2010-12-01").is_err());
    for (method, target) in
        [("GET", "/2015-03-31/functions//code"), ("TRACE", "/2015-03-31/functions"), ("GET", "/2015-03-31/Functions/")]
    {
        assert!(lambda(method, target).is_err(), "{method} {target}");
    }
}

/// A service ignores what its operation does not have. So a granted name in such a member must not stand for the request.
#[test]
fn a_member_that_the_operation_does_not_have_names_nothing() {
    let json = |service: &str, target: &str, kind: (&str, &str), body: &str| {
        let host = format!("{service}.eu-west-1.amazonaws.com");
        let found = ask(&host, service, ("POST", "/"), &[kind, ("x-amz-target", target)], body).unwrap();
        found.needs[0].resource.clone()
    };
    let named = |names: &[&str]| Resource::Named(names.iter().map(|name| (*name).to_string()).collect());
    for (service, target, kind, body, resource) in [
        ("ssm", "AmazonSSM.GetParameters", JSON11, r#"{"Name":"/app/a","Names":["/prod/b"]}"#, named(&["/prod/b"])),
        ("ssm", "AmazonSSM.GetParametersByPath", JSON11, r#"{"Name":"/app/a","Path":"/"}"#, named(&["/"])),
        ("ssm", "AmazonSSM.UpdateMaintenanceWindow", JSON11, r#"{"Name":"/app/a","WindowId":"w"}"#, Resource::Unnamed),
        (
            "secretsmanager",
            "secretsmanager.BatchGetSecretValue",
            JSON11,
            r#"{"SecretId":"app","SecretIdList":["prod"]}"#,
            named(&["prod"]),
        ),
        (
            "secretsmanager",
            "secretsmanager.BatchGetSecretValue",
            JSON11,
            r#"{"SecretId":"app","Filters":[{"Key":"name","Values":["prod"]}]}"#,
            Resource::Unnamed,
        ),
        (
            "dynamodb",
            "DynamoDB_20120810.BatchGetItem",
            JSON10,
            r#"{"TableName":"app","RequestItems":{"prod":{}}}"#,
            Resource::Unnamed,
        ),
        ("dynamodb", "DynamoDB_20120810.GetItem", JSON10, r#"{"TableName":"app","Key":{}}"#, named(&["app"])),
        (
            "sqs",
            "AmazonSQS.StartMessageMoveTask",
            JSON10,
            r#"{"QueueUrl":"app","SourceArn":"prod"}"#,
            Resource::Unnamed,
        ),
        (
            "ecr",
            "AmazonEC2ContainerRegistry_V20150921.PutRegistryPolicy",
            JSON11,
            r#"{"repositoryName":"app"}"#,
            Resource::Unnamed,
        ),
    ] {
        assert_eq!(json(service, target, kind, body), resource, "{target} {body}");
    }
    for (form, resource) in [
        ("Action=CreateAccessKey&RoleName=app&UserName=admin", named(&["admin"])),
        ("Action=CreatePolicy&PolicyName=x&RoleName=app", Resource::Unnamed),
        // Where it has several, all of them count.
        ("Action=AttachUserPolicy&PolicyArn=arn%3Ap&UserName=admin", named(&["arn:p", "admin"])),
    ] {
        let body = format!("{form}&Version=2010-05-08");
        let found = ask("iam.amazonaws.com", "iam", ("POST", "/"), &[FORM], &body).unwrap();
        assert_eq!(found.needs[0].resource, resource, "{form}");
    }
}

#[test]
fn a_large_body_is_no_way_round() {
    let form = Request::read(&parts("POST", "/", &[FORM]), "iam.amazonaws.com").unwrap();
    assert!(matches!(wanted(&form), Wanted::Needed(_)));
    let scope = |service: &str| Scope { date: "20260101".into(), region: "us-east-1".into(), service: service.into() };
    let result = recognise(&form, &scope("iam"), &Endpoints::default(), Body::NotRead);
    assert_eq!(result, Err(Unrecognised::BodyTooLarge));
    let headers = [JSON11, ("x-amz-target", "secretsmanager.GetSecretValue")];
    let json = Request::read(&parts("POST", "/", &headers), "secretsmanager.us-east-1.amazonaws.com").unwrap();
    assert!(matches!(wanted(&json), Wanted::Helpful(_)));
    let found = recognise(&json, &scope("secretsmanager"), &Endpoints::default(), Body::NotRead).unwrap();
    assert_eq!((&found.needs[0].resource, found.needs[0].decrypts), (&Resource::Unnamed, true));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Recognition never panics, and never answers with nothing to allow.
    #[test]
    fn anything_is_recognised_or_refused(
        host in prop::sample::select(vec!["s3.eu-west-1.amazonaws.com", "b.s3.eu-west-1.amazonaws.com", "iam.amazonaws.com", "sqs.eu-west-1.amazonaws.com", "lambda.eu-west-1.amazonaws.com", "route53.amazonaws.com", "[::1]", ""]),
        service in prop::sample::select(vec!["s3", "iam", "sqs", "lambda", "route53", "", "nothing"]),
        method in "GET|PUT|POST|DELETE|HEAD|[A-Z]{1,5}",
        target in "/([a-zA-Z0-9%/?&=._~+-]|acl|policy|2013-04-01|%2[fF]|[.][.]){0,12}",
        kind in "(application/(x-www-form-urlencoded|x-amz-json-1[.][01])[ -~]{0,12})?",
        header in "(AmazonSQS[.][A-Za-z]{0,12})?",
        body in "(Action=[A-Za-z]{0,12}|Version=2010-05-08|[{}\",:&=%a-zA-Z0-9]|&){0,12}",
    ) {
        let request = http::Request::builder().method(method.as_str()).uri(target.as_str());
        let request = if header.is_empty() { request } else { request.header("x-amz-target", &header) };
        let request = if kind.is_empty() { request } else { request.header("content-type", &kind) };
        let Ok(request) = request.body(()) else { return Ok(()) };
        let Ok(request) = Request::read(&request.into_parts().0, host) else { return Ok(()) };
        let region = if host.contains("eu-west-1") { "eu-west-1" } else { "us-east-1" };
        let scope = Scope { date: "20260101".into(), region: region.into(), service: service.into() };
        if let Ok(found) = recognise(&request, &scope, &Endpoints::default(), Body::Whole(body.as_bytes())) {
            prop_assert!(found.needs.iter().any(|need| !need.operation.is_empty()));
        }
    }
}
