//! From bytes to text. HCL is UTF-8, and says so about everything else, but for comments.

use std::borrow::Cow;
use std::ops::Range;

use super::{Diagnosis, scan};

const SAVE: &str = "Save the file as UTF-8.";

/// What is wrong, and the text that its place is in.
type Wrong = (Box<Diagnosis>, String);

/// From bytes to text, or what is wrong with them.
pub(crate) type Decode = fn(&[u8]) -> Result<Cow<'_, str>, Wrong>;

/// The text, without a byte order mark.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Wrong> {
    mended(bytes, |_, _| false)
}

/// The text of HCL. Its comments may be what they like, as far as HCL is concerned: each byte in them that is no text is
/// a `?`.
pub(crate) fn decode_body(bytes: &[u8]) -> Result<Cow<'_, str>, Wrong> {
    let mut comments: Option<Vec<Range<usize>>> = None;
    mended(bytes, |text, at| {
        let comments = comments.get_or_insert_with(|| scan::body(text).comments);
        let next = comments.partition_point(|comment| comment.start <= at);
        next.checked_sub(1).and_then(|index| comments.get(index)).is_some_and(|comment| comment.contains(&at))
    })
}

/// The text with a `?` for each byte that is none, if all of them are where that does not matter.
fn mended(bytes: &[u8], mut does_not_matter: impl FnMut(&str, usize) -> bool) -> Result<Cow<'_, str>, Wrong> {
    // A mark at the very start is allowed by HCL and means nothing.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(Cow::Borrowed(text)),
        Err(error) => error,
    };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let diagnosis = Diagnosis::new(0..0, "the file is UTF-16, and UTF-8 is expected").remedy(SAVE);
        return Err((diagnosis, String::new()));
    }
    let mut text = String::with_capacity(bytes.len());
    let mut bad = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            bad.push((text.len(), *byte));
            text.push('?');
        }
    }
    match bad.into_iter().find(|(at, _)| !does_not_matter(&text, *at)) {
        None => Ok(Cow::Owned(text)),
        Some((at, _)) if error.error_len().is_none() => {
            let message = "the file ends within a character: it is cut off, or not UTF-8";
            Err((Diagnosis::new(at..at, message).remedy(SAVE), text))
        }
        Some((at, byte)) => Err((no_text(at, byte), text)),
    }
}

fn no_text(at: usize, byte: u8) -> Box<Diagnosis> {
    let latin = char::from(byte);
    let message = format!("the file is not UTF-8: the byte 0x{byte:02X} starts no character here");
    let remedy = match latin.is_alphanumeric() {
        true => format!("{SAVE} If it is Latin-1, that byte is `{latin}`."),
        false => SAVE.to_owned(),
    };
    Diagnosis::new(at..at, message).remedy(remedy)
}
