//! Makes strangers' text safe to show on a terminal.

/// Text on one line without control characters: each becomes `\u{…}`, so that nothing is hidden.
pub fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => safe.push(' '),
            c if c.is_control() || is_reordering(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// Characters that change the order in which others are shown.
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Longest control sequence that is looked at before it is given up as broken.
const SEQUENCE_MAX_BYTES: usize = 4096;

/// Takes control sequences other than colours out of a log, part by part.
///
/// Colours (`ESC [ … m`), tabs, line feeds and carriage returns before a line feed stay.
#[derive(Debug, Default)]
pub struct LogFilter {
    at: At,
    /// What of an unfinished sequence or character was held back.
    held: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In text.
    #[default]
    Text,
    /// After an escape character.
    Escape,
    /// In `ESC [ …`.
    Control,
    /// In `ESC ] …`, `ESC P …` and the like, which end with BEL or `ESC \`.
    Text0,
    /// In one of those, after an escape character.
    Text0Escape,
    /// After `ESC` and intermediate characters, such as `ESC ( B`.
    Intermediate,
    /// After the first byte of a C1 control in UTF-8 (0xC2).
    C2,
}

impl LogFilter {
    /// The next part of a log, safe to show.
    pub fn next(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut safe = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            self.byte(byte, &mut safe);
        }
        safe
    }

    fn byte(&mut self, byte: u8, safe: &mut Vec<u8>) {
        match self.at {
            At::Text => match byte {
                0x1b => self.begin(At::Escape, byte),
                0xc2 => self.at = At::C2,
                b'\n' | b'\t' => safe.push(byte),
                0x00..=0x1f | 0x7f => {}
                _ => safe.push(byte),
            },
            At::C2 => {
                self.at = At::Text;
                match byte {
                    0x9b => self.begin(At::Control, byte),
                    0x90 | 0x98 | 0x9d..=0x9f => self.begin(At::Text0, byte),
                    0x80..=0x9f => {}
                    0xa0..=0xbf => safe.extend([0xc2, byte]),
                    _ => self.byte(byte, safe),
                }
            }
            At::Escape => match byte {
                b'[' => {
                    self.held.push(byte);
                    self.at = At::Control;
                }
                b']' | b'P' | b'X' | b'^' | b'_' => self.at = At::Text0,
                0x20..=0x2f => self.at = At::Intermediate,
                0x1b => {}
                b'\n' => self.over(byte, safe),
                _ => self.at = At::Text,
            },
            At::Intermediate => match byte {
                0x20..=0x2f => {}
                0x1b => self.begin(At::Escape, byte),
                b'\n' => self.over(byte, safe),
                _ => self.at = At::Text,
            },
            At::Control => match byte {
                b'0'..=b'9' | b';' | b':' if self.held.len() < SEQUENCE_MAX_BYTES => self.held.push(byte),
                b'm' => {
                    if self.held.starts_with(b"\x1b[") && !self.held.contains(&0) {
                        safe.append(&mut self.held);
                        safe.push(byte);
                    }
                    self.at = At::Text;
                }
                // Private and intermediate characters: no colour any more.
                0x20..=0x3f => self.held.push(0),
                0x1b => self.begin(At::Escape, byte),
                b'\n' => self.over(byte, safe),
                _ => self.at = At::Text,
            },
            At::Text0 => match byte {
                0x07 => self.at = At::Text,
                0x1b => self.at = At::Text0Escape,
                // A title is one line: what goes on is a sequence that was never ended.
                b'\n' => self.over(byte, safe),
                _ => {}
            },
            At::Text0Escape => match byte {
                b'\\' => self.at = At::Text,
                _ => {
                    self.begin(At::Escape, 0x1b);
                    self.byte(byte, safe);
                }
            },
        }
    }

    fn begin(&mut self, at: At, byte: u8) {
        self.held.clear();
        self.held.push(byte);
        self.at = at;
    }

    fn over(&mut self, byte: u8, safe: &mut Vec<u8>) {
        self.at = At::Text;
        safe.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(text: &str) -> String {
        // One byte at a time must give the same as all at once.
        let mut filter = LogFilter::default();
        let slowly: Vec<u8> = text.bytes().flat_map(|byte| filter.next(&[byte])).collect();
        assert_eq!(slowly, LogFilter::default().next(text.as_bytes()), "{text:?}");
        String::from_utf8(slowly).unwrap()
    }

    #[test]
    fn colours_stay_and_what_steers_goes() {
        for (from, to) in [
            ("\u{1b}[1;32mok\u{1b}[0m\n", "\u{1b}[1;32mok\u{1b}[0m\n"),
            ("a\u{1b}[2Jb", "ab"),
            ("a\u{1b}[?25lb", "ab"),
            ("a\u{1b}[>4;2mb", "ab"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]8;;http://x\u{1b}\\b", "ab"),
            ("a\u{1b}]52;c;aGk=\nb", "a\nb"),
            ("a\u{1b}Pq\u{1b}\\b", "ab"),
            ("a\u{1b}(Bb", "ab"),
            ("a\u{1b}cb", "ab"),
            ("a\r\n\tb\u{8}\u{7}c", "a\n\tbc"),
            ("a\u{9b}31mb", "ab"),
            ("a\u{9d}0;t\u{7}b", "ab"),
            ("£ é 日本", "£ é 日本"),
            ("a\u{1b}[31", "a"),
        ] {
            assert_eq!(filtered(from), to, "{from:?}");
        }
    }

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(plain("a\nb\u{1b}[1mc\td\u{202e}"), "a\\u{a}b\\u{1b}[1mc d\\u{202e}");
    }
}
