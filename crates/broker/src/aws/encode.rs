//! Percent-encoding as AWS signs it, and hexadecimal.
//!
//! Rule: "URI encode every byte except the unreserved characters A-Z, a-z, 0-9, -, ., _ and ~", with upper-case digits
//! (IAM user guide, *Create a signed AWS API request*).

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Encodes a text; slashes stay if `keep_slash`.
pub(crate) fn encode_into(out: &mut String, text: &str, keep_slash: bool) {
    for byte in text.bytes() {
        if is_unreserved(byte) || (keep_slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(digit(UPPER, byte >> 4));
            out.push(digit(UPPER, byte & 15));
        }
    }
}

/// The same, as a new text.
pub(crate) fn encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    encode_into(&mut out, text, keep_slash);
    out
}

/// Decodes. `None` if a `%` is not followed by two digits, or the result is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            bytes.push(nibble(rest.next()?)? * 16 + nibble(rest.next()?)?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether a path is spelled as [`encode`] spells it, slashes aside.
pub(crate) fn is_canonical(path: &str) -> bool {
    !path.contains("%2F") && decode(path).is_some_and(|decoded| encode(&decoded, true) == path)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(digit(LOWER, byte >> 4));
        out.push(digit(LOWER, byte & 15));
    }
    out
}

/// 32 bytes from exactly 64 lower-case digits.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let text = text.as_bytes();
    if text.len() != 64 || text.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(*high)? * 16 + nibble(*low)?;
    }
    Some(out)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn digit(digits: &[u8; 16], value: u8) -> char {
    digits.get(usize::from(value)).copied().map_or('0', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_that_of_aws() {
        assert_eq!(encode("a b/ü~-._*+", true), "a%20b/%C3%BC~-._%2A%2B");
        assert_eq!(encode("a/b", false), "a%2Fb");
        assert_eq!(decode("a%20b%2f").as_deref(), Some("a b/"));
        for text in ["%", "%1", "%g0", "%ff"] {
            assert_eq!(decode(text), None, "{text}");
        }
        for (path, canonical) in [
            ("/a%20b", true),
            ("/a/%C3%BC", true),
            ("/a%2Fb", false),
            ("/a%2fb", false),
            ("/a%41", false),
            ("/a*", false),
        ] {
            assert_eq!(is_canonical(path), canonical, "{path}");
        }
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        let bytes: [u8; 32] = std::array::from_fn(|n| u8::try_from(n * 8).unwrap());
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex(&hex(&bytes).to_uppercase()), None);
        assert_eq!(unhex("00"), None);
    }
}
