//! AWS's published test cases: the SigV4 test suite, and the examples in S3's API reference.
//!
//! The values are AWS's; the requests are written in a form of our own. Cases in which a path is normalised before it
//! is signed are here as refusals: such a path is not taken, since not everybody who reads it would normalise it.

use jiff::Timestamp;
use portcullis_broker::aws::sigv4::{Payload, SignatureFault};

use super::{hex, key, parts, sha256, verify};

const HOST: &str = "example.amazonaws.com";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TIME: &str = "20150830T123600Z";

struct Case {
    name: &'static str,
    method: &'static str,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    token: Option<&'static str>,
    in_header: &'static str,
    in_query: &'static str,
}

const fn case(
    name: &'static str,
    method: &'static str,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    in_header: &'static str,
    in_query: &'static str,
) -> Case {
    Case { name, method, target, headers, token: None, in_header, in_query }
}

const UNRESERVED: &str = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const UNRESERVED_QUERY: &str = "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const STS_TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("get-vanilla", "GET", "/", &[], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"),
    case("get-header-key-duplicate", "GET", "/", &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")], "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea", "3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97"),
    // HTTP/1.1 has no values over several lines any more; whoever unfolds them puts spaces there.
    case("get-header-value-multiline", "GET", "/", &[("my-header1", "value1   value2      value3")], "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd", "e6f5def831211aca02987a44b96826706278c7bc078112ae0263659c5b2f2d56"),
    case("get-header-value-order", "GET", "/", &[("my-header1", "value4"), ("my-header1", "value1"), ("my-header1", "value3"), ("my-header1", "value2")], "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01", "313720e71ca6202fdcfa9b20f88de01a4eb0638a83c833b1c184359a4eda864e"),
    case("get-header-value-trim", "GET", "/", &[("my-header1", " value1"), ("my-header2", "\"a   b   c\"")], "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736", "e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4"),
    case("get-unreserved", "GET", UNRESERVED, &[], "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f", "95968482db1b9e0fadef6efc1bd24689f77c77d9ef56919c96a28cc92e0d6005"),
    case("get-vanilla-empty-query-key", "GET", "/?Param1=value1", &[], "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb", "49096700cbbaa5753443850f40df10f904fc2fdb544dc9512203cc77c471a9de"),
    case("get-vanilla-query-order-encoded", "GET", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", &[], "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac", "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787"),
    case("get-vanilla-query-order-key-case", "GET", "/?Param2=value2&Param1=value1", &[], "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5"),
    case("get-vanilla-query-unreserved", "GET", UNRESERVED_QUERY, &[], "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197", "8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf"),
    case("get-vanilla-utf8-query", "GET", "/?%E1%88%B4=bar", &[], "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04", "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600"),
    Case { token: Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"), ..case("get-vanilla-with-session-token", "GET", "/", &[], "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8", "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c") },
    case("post-vanilla", "POST", "/", &[], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", "2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b"),
    case("post-header-key-sort", "POST", "/", &[("My-Header1", "value1")], "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c", "c09d07e0d55871f10f2a6d350d994acf6825a3cae70673d7def55616e6119dd7"),
    case("post-header-value-case", "POST", "/", &[("My-Header1", "VALUE1")], "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d", "0698bc9e4f7f9139065ba2909c0e99da257e8e2a42492a097bcd46d792391fed"),
    Case { token: Some(STS_TOKEN), ..case("post-sts-header-before", "POST", "/", &[], "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead", "46c2e3c63c1dbe7d39f8ada16fe7f001c1f56c5791441565323677f96308871c") },
    case("post-vanilla-query", "POST", "/?Param1=value1", &[], "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11", "a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682"),
    case("post-x-www-form-urlencoded", "POST", "/", FORM, "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b", "89a40deed0f26f9461242825a082d2222717248abc7ab41f552ad84a94ad46e9"),
    case("post-x-www-form-urlencoded-parameters", "POST", "/", FORM_UTF8, "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422", "0dbeb9b026c7b6675f266b8427efec9b4fa8b1f6ef1477d717aea231106eab4d"),
];

const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded"), ("content-length", "13")];
const FORM_UTF8: &[(&str, &str)] =
    &[("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("content-length", "13")];

fn now() -> Timestamp {
    "2015-08-30T12:36:00Z".parse().unwrap()
}

fn signed_names(headers: &[(&str, &str)]) -> String {
    let mut names: Vec<String> = headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.push("host".into());
    names.sort();
    names.dedup();
    names.join(";")
}

#[test]
fn signatures_in_a_header_verify() {
    for case in CASES {
        let body: &[u8] =
            if case.headers.len() == 2 && case.headers[1].0 == "content-length" { b"Param1=value1" } else { b"" };
        let digest = hex(&sha256(body));
        let mut headers = case.headers.to_vec();
        headers.push(("x-amz-date", TIME));
        headers.extend(case.token.map(|token| ("x-amz-security-token", token)));
        if !body.is_empty() {
            headers.push(("x-amz-content-sha256", &digest));
        }
        let value = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={}, Signature={}",
            signed_names(&headers),
            case.in_header
        );
        headers.push(("authorization", &value));
        let parts = parts(case.method, case.target, &headers);
        let key = key("AKIDEXAMPLE", SECRET, case.token);
        verify(&parts, HOST, &key, Some(sha256(body)), now()).unwrap_or_else(|fault| panic!("{}: {fault}", case.name));
        let wrong = super::key("AKIDEXAMPLE", "wJalrXUtnFEMI", case.token);
        let fault = verify(&parts, HOST, &wrong, Some(sha256(body)), now()).unwrap_err();
        assert_eq!(fault, SignatureFault::Mismatch, "{}", case.name);
    }
}

#[test]
fn signatures_in_a_query_verify() {
    for case in CASES {
        let body: &[u8] =
            if case.headers.len() == 2 && case.headers[1].0 == "content-length" { b"Param1=value1" } else { b"" };
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let mut target = format!("{}{}", case.target, if case.target.contains('?') { "&" } else { "?" });
        target += "X-Amz-Algorithm=AWS4-HMAC-SHA256";
        target += "&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request";
        target += &format!("&X-Amz-Date={TIME}&X-Amz-Expires=3600");
        target += &format!("&X-Amz-SignedHeaders={}", encode(&signed_names(case.headers)));
        if let Some(token) = case.token {
            target += &format!("&X-Amz-Security-Token={}", encode(token));
        }
        target += &format!("&X-Amz-Signature={}", case.in_query);
        let parts = parts(case.method, &target, case.headers);
        let key = key("AKIDEXAMPLE", SECRET, case.token);
        let later: Timestamp = "2015-08-30T13:36:00Z".parse().unwrap();
        verify(&parts, HOST, &key, Some(sha256(body)), later).unwrap_or_else(|fault| panic!("{}: {fault}", case.name));
        let late: Timestamp = "2015-08-30T13:36:01Z".parse().unwrap();
        let fault = verify(&parts, HOST, &key, Some(sha256(body)), late).unwrap_err();
        assert_eq!(fault, SignatureFault::Time, "{}", case.name);
    }
}

#[test]
fn paths_that_some_would_normalise_are_refused() {
    for (name, path) in [
        ("get-relative", "/example/.."),
        ("get-relative-relative", "/example1/example2/../.."),
        ("get-slash-dot-slash", "/./"),
        ("get-slash", "//"),
        ("get-slash-pointless-dot", "/./example"),
        ("get-slashes", "//example//"),
    ] {
        let value = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        );
        let parts = parts("GET", path, &[("x-amz-date", TIME), ("authorization", &value)]);
        let fault = verify(&parts, HOST, &key("AKIDEXAMPLE", SECRET, None), Some(sha256(b"")), now()).unwrap_err();
        assert!(matches!(fault, SignatureFault::Ambiguous(_)), "{name}: {fault}");
    }
}

/// Paths of other services than S3 are encoded a second time.
#[test]
fn paths_are_encoded_twice() {
    let lambda =
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A892717189312%3Afunction%3Amy-rusty-fun/invocations";
    let value = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20210511/us-east-2/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=4b93abbcc68be32bd64c18e2c71150660ab4c29bbd6c32a383a7517a88fc1804";
    let parts = parts("POST", lambda, &[("x-amz-date", "20210511T154045Z"), ("authorization", value)]);
    let now = "2021-05-11T15:40:45Z".parse().unwrap();
    let key = key("AKIDEXAMPLE", SECRET, None);
    let result = verify(&parts, "lambda.us-east-2.amazonaws.com", &key, Some(sha256(b"")), now);
    assert!(result.is_ok(), "{:?}", result.unwrap_err());
}

const S3_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[test]
fn the_examples_of_s3_verify() {
    let now: Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
    let key = key("AKIAIOSFODNN7EXAMPLE", S3_SECRET, None);
    let empty = hex(&sha256(b""));
    let welcome = hex(&sha256(b"Welcome to Amazon S3."));
    let put = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
    for (method, target, headers, digest, signature) in [
        (
            "GET",
            "/test.txt",
            &[("range", "bytes=0-9")][..],
            &empty,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test%24file.text",
            &put,
            &welcome,
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", "/?lifecycle", &[], &empty, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "GET",
            "/?max-keys=2&prefix=J",
            &[],
            &empty,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        let mut headers = headers.to_vec();
        headers.extend([("x-amz-content-sha256", digest.as_str()), ("x-amz-date", "20130524T000000Z")]);
        let value = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={},Signature={signature}",
            signed_names(&headers)
        );
        headers.push(("authorization", &value));
        let parts = parts(method, target, &headers);
        let result = verify(&parts, "examplebucket.s3.amazonaws.com", &key, None, now);
        assert!(result.is_ok(), "{target}: {:?}", result.unwrap_err());
    }
    let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let (_, verified) = verify(&parts("GET", target, &[]), "examplebucket.s3.amazonaws.com", &key, None, now).unwrap();
    assert_eq!(verified.payload(), &Payload::Unsigned);
}
