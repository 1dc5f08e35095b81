//! Sets of characters, as a definition writes them: `["a-z", "0-9", "-"]`.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::id::quoted;

/// What stands for the letters and digits of all scripts.
const LETTERS: &str = "letters";

/// A set of characters: ranges and single characters of printable ASCII, and perhaps the letters of all scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Characters {
    ranges: Vec<(char, char)>,
    letters: bool,
}

impl Characters {
    /// From its parts: `a-z` (both ends small letters, capital letters or digits), one printable ASCII character, or
    /// `letters`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut set = Characters { ranges: Vec::new(), letters: false };
        for part in parts {
            let chars: Vec<char> = part.chars().collect();
            match chars.as_slice() {
                _ if part == LETTERS => set.letters = true,
                [one] if one.is_ascii_graphic() || *one == ' ' => set.ranges.push((*one, *one)),
                [first, '-', last] if first <= last && are_of_one_class(*first, *last) => {
                    set.ranges.push((*first, *last));
                }
                _ => return Err(format!("{} is no range, no single character and not `{LETTERS}`", quoted(part))),
            }
        }
        if set.ranges.is_empty() && !set.letters {
            return Err("it is empty, so no text would fit".to_owned());
        }
        Ok(set)
    }

    /// Whether a character is in it.
    pub fn holds(&self, character: char) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&character))
            || (self.letters && character.is_alphanumeric())
    }

    /// One of its characters, for examples: a letter or digit if there is one.
    pub fn sample(&self) -> char {
        let plain = self.ranges.iter().map(|(first, _)| *first).find(char::is_ascii_alphanumeric);
        plain.or_else(|| self.ranges.first().map(|(first, _)| *first).filter(|_| !self.letters)).unwrap_or('a')
    }

    fn parts(&self) -> Vec<String> {
        let one = |(first, last): &(char, char)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        self.ranges.iter().map(one).chain(self.letters.then(|| LETTERS.to_owned())).collect()
    }
}

/// A range from one class into another holds what nobody meant: `A-z` has six characters of punctuation.
fn are_of_one_class(first: char, last: char) -> bool {
    let class = |is: fn(&char) -> bool| is(&first) && is(&last);
    class(char::is_ascii_lowercase) || class(char::is_ascii_uppercase) || class(char::is_ascii_digit)
}

impl fmt::Display for Characters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |part: String| match part.as_str() {
            " " => "space".to_owned(),
            LETTERS => "letters and digits of any script".to_owned(),
            _ => part,
        };
        f.write_str(&self.parts().into_iter().map(shown).collect::<Vec<_>>().join(" "))
    }
}

impl Serialize for Characters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts().serialize(serializer)
    }
}
