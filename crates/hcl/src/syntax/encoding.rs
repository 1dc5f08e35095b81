//! From bytes to text. HCL is UTF-8, and says so about everything else.

use super::Diagnosis;

/// The text, without a byte order mark. What is wrong is placed in the part of it that is text.
pub(crate) fn decode(bytes: &[u8]) -> Result<&str, (Box<Diagnosis>, &str)> {
    const SAVE: &str = "Save the file as UTF-8.";
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err((Diagnosis::new(0..0, "the file is UTF-16, and UTF-8 is expected").remedy(SAVE), ""));
    }
    let error = match std::str::from_utf8(bytes) {
        // A mark at the very start is allowed by HCL and means nothing.
        Ok(text) => return Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => error,
    };
    let end = error.valid_up_to();
    let valid = bytes.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("");
    let text = valid.strip_prefix('\u{feff}').unwrap_or(valid);
    let byte = bytes.get(end).copied().unwrap_or(0);
    let message = match error.error_len() {
        None => "the file ends within a character: it is cut off, or not UTF-8".to_owned(),
        Some(_) => format!("the file is not UTF-8: the byte 0x{byte:02X} starts no character here"),
    };
    let latin = char::from(byte);
    let remedy = if latin.is_alphanumeric() {
        format!("{SAVE} If it is Latin-1, that byte is `{latin}`.")
    } else {
        SAVE.to_owned()
    };
    Err((Diagnosis::new(text.len()..text.len(), message).remedy(remedy), text))
}
