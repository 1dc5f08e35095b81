//! `sts:AssumeRole` from inside: the sandbox gets placeholders, the broker keeps the keys.
//!
//! The answer is not shown to the sandbox in any other form than this one: what does not read as an answer of STS is not
//! passed on at all.

use jiff::Timestamp;

use super::sigv4::Credentials;

/// Bytes of randomness that a placeholder takes.
pub const RANDOM_BYTES: usize = 64;
/// Longest answer of STS.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// Why an answer is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// It is too long.
    #[error("the answer of STS is larger than 64 KiB")]
    TooLarge,
    /// Something is missing in it, or there twice.
    #[error("the answer of STS has not exactly one {0}")]
    Element(&'static str),
    /// The time until which the keys count.
    #[error("the answer of STS has an expiration that is not a time")]
    Expiration,
}

/// Keys of a role, and what stands for them inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The role's ARN, as it was asked for.
    pub role: String,
    /// What the sandbox has.
    pub placeholder: Credentials,
    /// What the broker has.
    pub real: Credentials,
    /// Until when the real ones count.
    pub expires: Timestamp,
}

/// A placeholder: looks like a key of AWS that expires, and is none. `random` must not be guessable.
pub fn mint(random: &[u8; RANDOM_BYTES]) -> Credentials {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let text = |bytes: &[u8]| -> String {
        bytes.iter().map(|byte| char::from(*ALPHABET.get(usize::from(byte % 32)).unwrap_or(&b'A'))).collect()
    };
    let (id, rest) = random.split_at(16);
    let (secret, token) = rest.split_at(24);
    // 80, 120 and 120 bits.
    Credentials {
        access_key_id: format!("ASIA{}", text(id)),
        secret_access_key: format!("portcullis/placeholder/{}", text(secret)),
        session_token: Some(format!("portcullis-placeholder-{}", text(token))),
    }
}

/// Takes the keys out of an answer to `AssumeRole`. What comes back is the answer for the sandbox, with `placeholder` in
/// their place, and the session to be kept.
pub fn answer(body: &[u8], role: &str, placeholder: Credentials) -> Result<(String, Session), AnswerFault> {
    if body.len() > ANSWER_MAX_BYTES {
        return Err(AnswerFault::TooLarge);
    }
    let text = std::str::from_utf8(body).map_err(|_| AnswerFault::Element("text"))?;
    let id = element(text, "AccessKeyId")?;
    let secret = element(text, "SecretAccessKey")?;
    let token = element(text, "SessionToken")?;
    let expires: Timestamp = element(text, "Expiration")?.1.parse().map_err(|_| AnswerFault::Expiration)?;
    let real = Credentials {
        access_key_id: unescape(id.1),
        secret_access_key: unescape(secret.1),
        session_token: Some(unescape(token.1)),
    };
    let mut replaced = [
        (id, placeholder.access_key_id.as_str()),
        (secret, placeholder.secret_access_key.as_str()),
        (token, placeholder.session_token.as_deref().unwrap_or_default()),
    ];
    replaced.sort_by_key(|((at, _), _)| *at);
    let (mut out, mut rest) = (String::with_capacity(text.len()), 0);
    for ((at, value), placeholder) in replaced {
        out.push_str(text.get(rest..at).unwrap_or_default());
        out.push_str(placeholder);
        rest = at + value.len();
    }
    out.push_str(text.get(rest..).unwrap_or_default());
    // Whatever else stands in the answer, it is not the secret.
    if [real.secret_access_key.as_str(), secret.1].iter().any(|secret| out.contains(secret)) {
        return Err(AnswerFault::Element("SecretAccessKey"));
    }
    Ok((out, Session { role: role.into(), placeholder, real, expires }))
}

/// Where the text of the only element of this name is, and the text.
fn element<'a>(text: &'a str, name: &'static str) -> Result<(usize, &'a str), AnswerFault> {
    let wrong = AnswerFault::Element(name);
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let (before, rest) = text.split_once(&open).ok_or_else(|| wrong.clone())?;
    let (value, after) = rest.split_once(&close).ok_or_else(|| wrong.clone())?;
    let once = !after.contains(&open) && !after.contains(&close);
    let plain = !value.is_empty() && !value.contains(['<', '>']) && !value.contains(char::is_whitespace);
    if once && plain { Ok((before.len() + open.len(), value)) } else { Err(wrong) }
}

/// XML's five entities; keys and tokens have no others.
fn unescape(text: &str) -> String {
    let all = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    all.iter().fold(text.to_string(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n<AssumeRoleResult>\n\
        <AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/x</Arn></AssumedRoleUser>\n\
        <Credentials><AccessKeyId>ASIAREALREALREALREAL</AccessKeyId><SecretAccessKey>real/secret+key=</SecretAccessKey>\
        <SessionToken>real//token==</SessionToken><Expiration>2026-01-01T01:00:00Z</Expiration></Credentials>\n\
        </AssumeRoleResult></AssumeRoleResponse>";

    #[test]
    fn the_sandbox_gets_placeholders_and_the_broker_the_keys() {
        let placeholder = mint(&std::array::from_fn(|n| u8::try_from(n * 3).unwrap()));
        let (out, session) = answer(ANSWER.as_bytes(), "arn:aws:iam::1:role/r", placeholder.clone()).unwrap();
        assert_eq!(session.real.secret_access_key, "real/secret+key=");
        assert_eq!(session.real.session_token.as_deref(), Some("real//token=="));
        assert_eq!(session.expires.to_string(), "2026-01-01T01:00:00Z");
        for real in ["ASIAREAL", "real/secret", "real//token"] {
            assert!(!out.contains(real), "{real}");
        }
        assert!(out.contains(&format!("<AccessKeyId>{}</AccessKeyId>", placeholder.access_key_id)));
        assert!(out.contains("<Arn>arn:aws:sts::1:assumed-role/r/x</Arn>"));
        // Read again, it is an answer of STS with the placeholder in it.
        let (_, again) = answer(out.as_bytes(), "r", mint(&[1; RANDOM_BYTES])).unwrap();
        assert_eq!(again.real, placeholder);
    }

    #[test]
    fn what_is_no_answer_of_sts_is_not_passed_on() {
        let placeholder = || mint(&[7; RANDOM_BYTES]);
        let json = r#"{"AssumeRoleResponse":{"Credentials":{"SecretAccessKey":"x"}}}"#;
        for body in [
            ANSWER
                .replace("<SecretAccessKey>", "<SecretAccessKey><![CDATA[")
                .replace("</SecretAccessKey>", "]]></SecretAccessKey>"),
            ANSWER.replace("</Credentials>", "<SecretAccessKey>x</SecretAccessKey></Credentials>"),
            ANSWER.replace("<AccessKeyId>", "<AccessKeyId a=\"b\">"),
            ANSWER.replace("AROA:x", "real/secret+key="),
            ANSWER.replace("2026-01-01T01:00:00Z", "soon"),
            ANSWER.replace("ASIAREALREALREALREAL", ""),
            json.into(),
            String::new(),
            ANSWER.replace("AROA:x", &"x".repeat(ANSWER_MAX_BYTES)),
        ] {
            assert!(answer(body.as_bytes(), "r", placeholder()).is_err(), "{}", body.get(..200).unwrap_or(&body));
        }
    }

    #[test]
    fn placeholders_look_like_keys_and_say_what_they_are() {
        let one = mint(&[0; RANDOM_BYTES]);
        assert_eq!(one.access_key_id.len(), 20);
        assert!(one.secret_access_key.starts_with("portcullis/placeholder/"));
        assert_ne!(one, mint(&[1; RANDOM_BYTES]));
    }
}
