//! Bodies in chunks, by the examples in S3's API reference, and what an attacker makes of them.

use bytes::Bytes;
use jiff::Timestamp;
use portcullis_broker::aws::Request;
use portcullis_broker::aws::sigv4::{Body, BodyFault, CHUNK_MAX_BYTES, Credentials, Verified};
use proptest::prelude::*;

use super::{hex, key, parts, sha256, verify};

const DIGESTS: &str = "x-amz-content-sha256";

fn placeholder() -> Credentials {
    key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None)
}

fn moment() -> Timestamp {
    "2013-05-24T00:00:00Z".parse().unwrap()
}

/// The body of an upload that AWS's example signs, to be signed with `real` again. Also the new request's signature.
fn example(trailers: bool, real: &Credentials, now: Timestamp) -> (Body, String) {
    let mut headers = vec![
        ("content-encoding", "aws-chunked"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-decoded-content-length", "66560"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    ];
    let (names, signature) = if trailers {
        headers.extend([
            (DIGESTS, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
            ("x-amz-trailer", "x-amz-checksum-crc32c"),
        ]);
        (
            "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        )
    } else {
        headers.extend([(DIGESTS, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ("content-length", "66824")]);
        (
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        )
    };
    let value = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={names},Signature={signature}"
    );
    headers.push(("authorization", &value));
    let parts = parts("PUT", "/examplebucket/chunkObject.txt", &headers);
    let (request, verified) = verify(&parts, "s3.amazonaws.com", &placeholder(), None, moment()).unwrap();
    let signed = verified.sign(&request, &placeholder(), real, now).unwrap();
    let value = signed.headers["authorization"].to_str().unwrap().rsplit_once('=').unwrap().1.to_string();
    (signed.body, value)
}

fn chunk(signature: &str, data: &[u8]) -> Vec<u8> {
    [format!("{:x};chunk-signature={signature}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

fn wire(trailers: bool) -> Vec<u8> {
    let (first, second) = (vec![b'a'; 65536], vec![b'a'; 1024]);
    if trailers {
        [
            chunk("b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2", &first),
            chunk("1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7", &second),
            b"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n".to_vec(),
            b"x-amz-checksum-crc32c:sOO8/Q==\r\n".to_vec(),
            b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
                .to_vec(),
        ]
        .concat()
    } else {
        [
            chunk("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", &first),
            chunk("0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497", &second),
            chunk("b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", b""),
        ]
        .concat()
    }
}

/// All that leaves, and how the body ended.
fn relay(mut body: Body, pieces: &[&[u8]]) -> (Vec<u8>, Result<(), BodyFault>) {
    let mut out = Vec::new();
    for piece in pieces {
        match body.push(Bytes::copy_from_slice(piece)) {
            Ok(bytes) => out.extend_from_slice(&bytes),
            Err(fault) => return (out, Err(fault)),
        }
    }
    match body.finish() {
        Ok(bytes) => {
            out.extend_from_slice(&bytes);
            (out, Ok(()))
        }
        Err(fault) => (out, Err(fault)),
    }
}

#[test]
fn the_examples_of_s3_come_out_as_they_went_in() {
    for trailers in [false, true] {
        let wire = wire(trailers);
        for size in [1, 7, 64, 4096, 1 << 20] {
            let (body, _) = example(trailers, &placeholder(), moment());
            let pieces: Vec<&[u8]> = wire.chunks(size).collect();
            let (out, end) = relay(body, &pieces);
            assert_eq!(end, Ok(()), "trailers: {trailers}, pieces of {size}");
            assert!(out == wire, "the same key and time make the same signatures");
        }
    }
}

#[test]
fn chunks_leave_with_signatures_of_the_real_key() {
    let real = key("ASIAREAL", "the real secret", Some("token"));
    for trailers in [false, true] {
        let wire = wire(trailers);
        let (body, seed) = example(trailers, &real, "2026-01-02T03:04:05Z".parse().unwrap());
        let (out, end) = relay(body, &[&wire]);
        assert_eq!(end, Ok(()));
        assert_eq!(out.len(), wire.len(), "Content-Length stays");
        // Made by hand from the definition, not with the code under test.
        let mut signer = Signer::new("the real secret", "20260102T030405Z", seed);
        let first = signer.chunk(&[b'a'; 65536]);
        let second = signer.chunk(&[b'a'; 1024]);
        let last = signer.chunk(b"");
        let mut wanted = [chunk(&first, &[b'a'; 65536]), chunk(&second, &[b'a'; 1024])].concat();
        wanted.extend_from_slice(format!("0;chunk-signature={last}\r\n").as_bytes());
        if trailers {
            let signature = signer.trailers("x-amz-checksum-crc32c:sOO8/Q==\n");
            wanted.extend_from_slice(
                format!("x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{signature}\r\n").as_bytes(),
            );
        }
        wanted.extend_from_slice(b"\r\n");
        assert!(out == wanted);
    }
}

/// Signs chunks as a client does.
pub struct Signer {
    key: Vec<u8>,
    time: String,
    previous: String,
}

impl Signer {
    pub fn new(secret: &str, time: &str, seed: String) -> Self {
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in [&time[..8], "us-east-1", "s3", "aws4_request"] {
            key = hmac(&key, part);
        }
        Signer { key, time: time.into(), previous: seed }
    }

    fn sign(&mut self, kind: &str, rest: &str) -> String {
        let text =
            format!("{kind}\n{}\n{}/us-east-1/s3/aws4_request\n{}\n{rest}", self.time, &self.time[..8], self.previous);
        self.previous = hex(&hmac(&self.key, &text));
        self.previous.clone()
    }

    pub fn chunk(&mut self, data: &[u8]) -> String {
        self.sign("AWS4-HMAC-SHA256-PAYLOAD", &format!("{}\n{}", hex(&sha256(b"")), hex(&sha256(data))))
    }

    pub fn trailers(&mut self, text: &str) -> String {
        self.sign("AWS4-HMAC-SHA256-TRAILER", &hex(&sha256(text.as_bytes())))
    }
}

/// RFC 2104, over SHA-256.
fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |byte: u8| block.iter().map(|b| b ^ byte).collect::<Vec<_>>();
    let inner = sha256(&[pad(0x36).as_slice(), text.as_bytes()].concat());
    sha256(&[pad(0x5c).as_slice(), &inner].concat()).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever byte of a signed body is another: it is not completed, and nothing of a wrong chunk leaves.
    #[test]
    fn a_body_that_was_changed_is_not_completed(
        trailers: bool,
        at in any::<prop::sample::Index>(),
        near_the_end: bool,
        flip in 1_u8..,
        cut: bool,
    ) {
        let mut wire = wire(trailers);
        let span = if near_the_end { 400 } else { wire.len() };
        let at = wire.len() - span + at.index(span);
        if cut { wire.truncate(at) } else { wire[at] ^= flip }
        let (body, _) = example(trailers, &placeholder(), moment());
        let pieces: Vec<&[u8]> = wire.chunks(1000).collect();
        let (out, end) = relay(body, &pieces);
        // The case of a size's digits does not matter: it is sent on as it came, under the same signature.
        let only_case = !cut && wire.eq_ignore_ascii_case(&self::wire(trailers)) && flip == 0x20;
        if end.is_ok() {
            prop_assert!(only_case && wire[at].is_ascii_hexdigit(), "byte {at} ^ {flip}");
        } else {
            prop_assert!(out.len() < self::wire(trailers).len());
        }
    }
}

#[test]
fn trailers_are_signed() {
    for (from, to) in [("sOO8/Q==", "sOO8/Q=A"), ("d81f82fc", "d81f82fd")] {
        let text: Vec<u8> = wire(true);
        let at = text.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let wire = [&text[..at], to.as_bytes(), &text[at + from.len()..]].concat();
        let (body, _) = example(true, &placeholder(), moment());
        assert_eq!(relay(body, &[&wire]).1, Err(BodyFault::Signature), "{from}");
    }
}

#[test]
fn what_is_not_the_framing_of_aws_is_refused() {
    let good = wire(false);
    let with = |from: &str, to: &str| {
        let at = good.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        [&good[..at], to.as_bytes(), &good[at + from.len()..]].concat()
    };
    let large = format!("{:x};chunk-signature={}\r\n", CHUNK_MAX_BYTES + 1, "0".repeat(64));
    for (what, wire) in [
        ("after its end", [good.as_slice(), b"x"].concat()),
        ("a second body", [good.as_slice(), &good].concat()),
        ("a size with a sign", with("400;", "+400;")),
        ("a size with zeros in front", with("400;", "000000400;")),
        ("a size with a prefix", with("400;", "0x400;")),
        ("another extension", with("400;chunk-signature", "400;x=1;chunk-signature")),
        ("LF alone", with("\r\n", "\n")),
        ("no signature", b"1\r\na\r\n0\r\n\r\n".to_vec()),
        ("a trailer", [&good[..good.len() - 2], b"x-amz-acl:public-read\r\n\r\n"].concat()),
        ("a large chunk", large.into_bytes()),
        ("a line without end", vec![b'1'; 4096]),
        ("nothing", Vec::new()),
    ] {
        let (body, _) = example(false, &placeholder(), moment());
        let (out, end) = relay(body, &[&wire]);
        assert!(end.is_err(), "{what}");
        assert!(out.len() <= good.len(), "{what}");
    }
}

fn unsigned_chunks(length: &str) -> Body {
    let headers = [
        (DIGESTS, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-decoded-content-length", length),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    signed_by_hand("PUT", &headers).0
}

/// A request to S3 that is signed here, from the definition, with the placeholder; and what becomes of it.
fn signed_by_hand(method: &str, headers: &[(&str, &str)]) -> (Body, http::HeaderMap) {
    let (request, verified) = verify_by_hand(method, headers);
    let signed = verified.sign(&request, &placeholder(), &key_real(), moment()).unwrap();
    (signed.body, signed.headers)
}

fn verify_by_hand(method: &str, headers: &[(&str, &str)]) -> (Request, Verified) {
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    names.push("host");
    names.sort_unstable();
    let values = |name: &str| headers.iter().find(|(n, _)| *n == name).map_or("s3.amazonaws.com", |(_, value)| value);
    let lines: String = names.iter().map(|name| format!("{name}:{}\n", values(name))).collect();
    let canonical = format!("{method}\n/b/k\n\n{lines}\n{}\n{}", names.join(";"), values(DIGESTS));
    let mut key = format!("AWS4{}", placeholder().secret_access_key).into_bytes();
    for part in ["20130524", "us-east-1", "s3", "aws4_request"] {
        key = hmac(&key, part);
    }
    let digest = hex(&sha256(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n{digest}");
    let value = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders={}, Signature={}",
        names.join(";"),
        hex(&hmac(&key, &text))
    );
    let mut headers = headers.to_vec();
    headers.push(("authorization", &value));
    let parts = parts(method, "/b/k", &headers);
    verify(&parts, "s3.amazonaws.com", &placeholder(), None, moment()).unwrap()
}

fn key_real() -> Credentials {
    key("AKIAREAL", "real", None)
}

#[test]
fn chunks_without_signatures_pass_if_they_are_well_formed() {
    let good = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let (out, end) = relay(unsigned_chunks("5"), &[&good[..4], &good[4..20], &good[20..]]);
    assert_eq!((out.as_slice(), end), (&good[..], Ok(())));
    for wire in [
        &b"5\r\nhello\r\n0\r\nx-amz-acl:public-read\r\n\r\n"[..],
        b"5;a=b\r\nhello\r\n0\r\n\r\n",
        b"4\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"6\r\nhello!\r\n0\r\n\r\n",
    ] {
        assert!(relay(unsigned_chunks("5"), &[wire]).1.is_err(), "{}", String::from_utf8_lossy(wire));
    }
}

#[test]
fn trailers_are_checksums() {
    let headers = [
        (DIGESTS, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-decoded-content-length", "0"),
        ("x-amz-trailer", "x-amz-acl"),
    ];
    let (request, verified) = verify_by_hand("PUT", &headers);
    let fault = verified.sign(&request, &placeholder(), &key_real(), moment()).unwrap_err();
    assert!(fault.to_string().contains("x-amz-acl as a trailer"), "{fault}");
}

#[test]
fn a_body_with_another_digest_is_never_whole() {
    let digest = hex(&sha256(b"hello world"));
    let headers = [(DIGESTS, digest.as_str()), ("x-amz-date", "20130524T000000Z")];
    let ask = |pieces: &[&[u8]]| relay(signed_by_hand("PUT", &headers).0, pieces);
    assert_eq!(ask(&[b"hello", b"", b" ", b"world"]), (b"hello world".to_vec(), Ok(())));
    let (out, end) = ask(&[b"hello", b" ", b"w0rld"]);
    assert_eq!((out.as_slice(), end), (&b"hello "[..], Err(BodyFault::Digest)));
    assert_eq!(ask(&[]), (Vec::new(), Err(BodyFault::Digest)));
}
