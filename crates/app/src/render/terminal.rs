//! Makes strangers' text safe to show on a terminal.

/// Text on one line without control characters: each becomes `\u{…}`, so that nothing is hidden. Nor does it start a
/// command of a CI system ([`Commands`]).
pub fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut commands = Commands::default();
    for c in text.chars() {
        if commands.begins_with(u8::try_from(c).unwrap_or(u8::MAX)) {
            safe.push(' ');
        }
        match c {
            '\t' => safe.push(' '),
            c if c.is_control() || is_reordering(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// JSON with the same meaning that steers nothing: what serializers leave as it is, and a terminal or a CI system does
/// not, is escaped. Such characters occur in strings only.
pub fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut hash = false;
    for c in text.chars() {
        let second = std::mem::replace(&mut hash, c == '#') && hash;
        if second || (c.is_control() && c != '\n') || is_reordering(c) {
            // All of these are in the Basic Multilingual Plane: four digits are enough.
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A word of a shell command that a person may copy: quoted unless it is plain in every shell.
pub fn shell_word(text: &str) -> String {
    let text = plain(text);
    let bare = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(bare) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Characters that change the order in which others are shown.
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Finds the places where text would become a command of the CI system that shows it, so that they can be broken up.
///
/// GitHub takes lines that begin with `::`, and `##[` anywhere; Azure takes `##vso[`, TeamCity `##teamcity[`.
#[derive(Debug, Default)]
struct Commands {
    /// Something other than white space was on this line.
    begun: bool,
    /// The byte before was a colon, the first on its line.
    colon: bool,
    hashes: usize,
    /// A name follows the hashes.
    named: bool,
}

impl Commands {
    /// Whether the text would be a command with this byte; something has to come before it then.
    fn begins_with(&mut self, byte: u8) -> bool {
        let bracket = byte == b'[' && self.hashes > 1;
        match byte {
            b'#' if !std::mem::take(&mut self.named) => self.hashes += 1,
            b'#' => self.hashes = 1,
            byte if byte.is_ascii_alphanumeric() && self.hashes > 1 => self.named = true,
            _ => (self.hashes, self.named) = (0, false),
        }
        let first = !self.begun;
        // More than ASCII has white space: what is not ASCII counts as such here.
        self.begun = byte != b'\n' && (self.begun || !(byte.is_ascii_whitespace() || byte >= 0x80));
        let colons = std::mem::replace(&mut self.colon, byte == b':' && first) && byte == b':';
        bracket || colons
    }
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
    colours: Colours,
    commands: Commands,
}

/// What becomes of a log's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colours {
    /// They stay.
    #[default]
    Kept,
    /// They go, as where there is no terminal.
    Dropped,
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
    /// After the first byte of what can be a reordering character in UTF-8 (0xE2).
    E2,
    /// After its second byte, 0x80 or 0x81.
    E2Second(u8),
}

impl LogFilter {
    /// A filter that keeps or drops colours.
    pub fn new(colours: Colours) -> Self {
        LogFilter { colours, ..LogFilter::default() }
    }

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
                0xe2 => self.at = At::E2,
                b'\n' | b'\t' => self.text(byte, safe),
                0x00..=0x1f | 0x7f => {}
                _ => self.text(byte, safe),
            },
            At::C2 => {
                self.at = At::Text;
                match byte {
                    0x9b => self.begin(At::Control, byte),
                    0x90 | 0x98 | 0x9d..=0x9f => self.begin(At::Text0, byte),
                    0x80..=0x9f => {}
                    0xa0..=0xbf => {
                        self.text(0xc2, safe);
                        self.text(byte, safe);
                    }
                    _ => self.byte(byte, safe),
                }
            }
            At::E2 if matches!(byte, 0x80 | 0x81) => self.at = At::E2Second(byte),
            At::E2 => {
                self.text(0xe2, safe);
                self.again(byte, safe);
            }
            // U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069, as `is_reordering` has them.
            At::E2Second(second) => match (second, byte) {
                (0x80, 0x8e | 0x8f | 0xaa..=0xae) | (0x81, 0xa6..=0xa9) => self.at = At::Text,
                _ => {
                    self.text(0xe2, safe);
                    self.text(second, safe);
                    self.again(byte, safe);
                }
            },
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
                    let colour = self.held.starts_with(b"\x1b[") && !self.held.contains(&0);
                    if colour && self.colours == Colours::Kept {
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

    /// A byte that did not belong to what was looked for.
    fn again(&mut self, byte: u8, safe: &mut Vec<u8>) {
        self.at = At::Text;
        self.byte(byte, safe);
    }

    fn over(&mut self, byte: u8, safe: &mut Vec<u8>) {
        self.at = At::Text;
        self.text(byte, safe);
    }

    fn text(&mut self, byte: u8, safe: &mut Vec<u8>) {
        if self.commands.begins_with(byte) {
            safe.push(b' ');
        }
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
            ("::add-mask::x\n  ::error::y\na::b\n", ": :add-mask::x\n  : :error::y\na::b\n"),
            ("\u{1b}[1m::x\n\u{a0}::y", "\u{1b}[1m: :x\n\u{a0}: :y"),
            ("a ##[error]b ##vso[task.x]c", "a ## [error]b ##vso [task.x]c"),
            ("## a [b] ###[c] #[d]", "## a [b] ### [c] #[d]"),
            (":\u{7}:x", ": :x"),
            ("a\u{202e}b\u{200f}c\u{2066}d", "abcd"),
            ("… – \u{2060}€ \u{2028}", "… – \u{2060}€ \u{2028}"),
        ] {
            assert_eq!(filtered(from), to, "{from:?}");
        }
    }

    #[test]
    fn colours_are_dropped_where_they_are_not_wanted() {
        let shown = LogFilter::new(Colours::Dropped).next(b"\x1b[1;32mok\x1b[0m ##[x]\n");
        assert_eq!(shown, b"ok ## [x]\n");
    }

    #[test]
    fn a_message_is_no_command_of_a_ci_system() {
        assert_eq!(plain("::set-output name=x::y"), ": :set-output name=x::y");
        assert_eq!(plain("\u{2003}::x ##vso[y]"), "\u{2003}: :x ##vso [y]");
        assert_eq!(plain("module.a[\"b::c\"]"), "module.a[\"b::c\"]");
    }

    #[test]
    fn json_keeps_its_meaning_and_steers_nothing() {
        let value = serde_json::json!({"a": "\u{1b}\u{9b}2J\u{7f}\u{202e}##[x] ###vso[y]\n::z é"});
        let text = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && !is_reordering(c)), "{text}");
        assert!(!text.contains("##"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn what_is_copied_into_a_shell_is_one_word() {
        assert_eq!(shell_word("dev/us-east-1/vpc"), "dev/us-east-1/vpc");
        assert_eq!(shell_word("dev/$(id)`id` \"x\""), "'dev/$(id)`id` \"x\"'");
        assert_eq!(shell_word("a'; id; '"), r"'a'\''; id; '\'''");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(plain("a\nb\u{1b}[1mc\td\u{202e}"), "a\\u{a}b\\u{1b}[1mc d\\u{202e}");
    }
}
