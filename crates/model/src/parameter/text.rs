//! What no text of a caller may hold, whatever its type: characters that are not what they look like, and those that
//! a program, a log or a terminal obeys.

use unicode_normalization::is_nfkc;

/// What is wrong with a text; `None`: nothing.
pub fn flaw(text: &str) -> Option<String> {
    if let Some((at, character)) = text.chars().enumerate().find(|(_, c)| name(*c).is_some()) {
        let name = name(character).unwrap_or_default();
        return Some(format!("it holds {name} (U+{:04X}, character {})", u32::from(character), at + 1));
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Some("it starts or ends with a space".to_owned());
    }
    // One text, one spelling: no separate accents, full-width letters, ligatures or dots that only look like dots.
    if !is_nfkc(text) {
        return Some("it is not in Unicode's normal form (NFKC)".to_owned());
    }
    None
}

/// What a character that is refused is called.
fn name(character: char) -> Option<&'static str> {
    Some(match character {
        '\0' => "a NUL",
        '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => "a line break",
        c if c.is_control() => "a control character",
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            "a mark that changes the direction of text"
        }
        '\u{ad}'
        | '\u{34f}'
        | '\u{600}'..='\u{605}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => "a character that is not seen",
        c if c.is_whitespace() && c != ' ' => "a space other than the common one",
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' | '\u{fdd0}'..='\u{fdef}' => {
            "a character without a meaning of its own"
        }
        c if u32::from(c) & 0xfffe == 0xfffe => "a character without a meaning of its own",
        '\u{fffd}' => "the mark of a text that was broken on its way",
        _ => return None,
    })
}
