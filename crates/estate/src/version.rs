//! Version constraints as Terraform and Terragrunt write them (`>= 1.5, < 2.0`, `~> 1.11.0`), with the rules of
//! HashiCorp's `go-version`: segments are compared as numbers, missing ones are zero, and a pre-release satisfies
//! only a constraint that names a pre-release of the same version.

use std::cmp::Ordering;

/// A version: its segments, at least three, and its pre-release.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    segments: Vec<u64>,
    /// How many segments were written.
    written: usize,
    pre: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Pessimistic,
}

/// Whether a version satisfies all parts of a constraint.
///
/// # Errors
/// What is wrong with the version or the constraint, as one line.
pub fn satisfies(version: &str, constraint: &str) -> Result<bool, String> {
    let version = Version::parse(version, Separator::Needed)?;
    let mut all = true;
    for part in constraint.split(',') {
        let (operator, wanted) = operator(part.trim());
        let wanted = Version::parse(wanted, Separator::Optional)
            .map_err(|_| format!("`{}` is no version constraint", part.trim()))?;
        all &= holds(&version, operator, &wanted);
    }
    Ok(all)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    /// `1.0-beta` only.
    Needed,
    /// Also `1.0beta`.
    Optional,
}

fn operator(part: &str) -> (Operator, &str) {
    const OPERATORS: [(&str, Operator); 7] = [
        ("!=", Operator::NotEqual),
        (">=", Operator::GreaterEqual),
        ("<=", Operator::LessEqual),
        ("~>", Operator::Pessimistic),
        ("=", Operator::Equal),
        (">", Operator::Greater),
        ("<", Operator::Less),
    ];
    for (text, operator) in OPERATORS {
        if let Some(rest) = part.strip_prefix(text) {
            return (operator, rest.trim());
        }
    }
    (Operator::Equal, part)
}

impl Version {
    fn parse(text: &str, separator: Separator) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no version");
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (numbers, pre) = rest.split_at(end);
        let pre = match pre.strip_prefix('-') {
            Some("") => return Err(wrong()),
            Some(pre) => pre,
            None if pre.is_empty() || separator == Separator::Optional => pre,
            None => return Err(wrong()),
        };
        let identifiers = |text: &str| {
            text.split('.')
                .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '~'))
        };
        if !(pre.is_empty() || identifiers(pre)) || !build.is_none_or(identifiers) {
            return Err(wrong());
        }
        let mut segments: Vec<u64> =
            numbers.split('.').map(|part| part.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        let written = segments.len();
        segments.resize(written.max(3), 0);
        Ok(Version { segments, written, pre: pre.to_owned() })
    }

    fn compare(&self, other: &Version) -> Ordering {
        let length = self.segments.len().max(other.segments.len());
        let segment = |version: &Version, at: usize| version.segments.get(at).copied().unwrap_or(0);
        (0..length)
            .map(|at| segment(self, at).cmp(&segment(other, at)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| compare_pre(&self.pre, &other.pre))
    }
}

/// A version without a pre-release is later than one with; numbers come before words.
fn compare_pre(one: &str, other: &str) -> Ordering {
    match (one.is_empty(), other.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let order = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => match (one.parse::<u64>(), other.parse::<u64>()) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => one.cmp(other),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn holds(version: &Version, operator: Operator, wanted: &Version) -> bool {
    let order = version.compare(wanted);
    match operator {
        Operator::Equal => return order.is_eq(),
        Operator::NotEqual => return order.is_ne(),
        _ => {}
    }
    let fits = match (version.pre.is_empty(), wanted.pre.is_empty()) {
        (false, false) => version.segments == wanted.segments,
        (false, true) => false,
        (true, _) => true,
    };
    fits && match operator {
        Operator::Equal | Operator::NotEqual => false,
        Operator::Greater => order.is_gt(),
        Operator::Less => order.is_lt(),
        Operator::GreaterEqual => order.is_ge(),
        Operator::LessEqual => order.is_le(),
        Operator::Pessimistic => {
            let same = wanted.written.saturating_sub(1);
            (wanted.pre.is_empty() || !version.pre.is_empty())
                && order.is_ge()
                && version.segments.len() >= wanted.segments.len()
                && version.segments.iter().zip(&wanted.segments).take(same).all(|(one, other)| one == other)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::satisfies;

    #[test]
    fn constraints_hold_as_in_go_version() {
        for (version, constraint, expected) in [
            ("1.5.0", ">= 1.5", true),
            ("1.5.0", ">= 1.0, < 1.5", false),
            ("1.11.4", "~> 1.11", true),
            ("2.0.0", "~> 1.11", false),
            ("1.12.0", "~> 1.11.0", false),
            ("1.11.9", "~> 1.11.0", true),
            ("1.11.4", "1.11.4", true),
            ("1.11.4", "= 1.11.5", false),
            ("1.11.4", "!= 1.11.5", true),
            ("1.12.0-rc1", ">= 1.11", false),
            ("1.12.0-rc1", ">= 1.12.0-beta1", true),
            ("1.12.0-rc1", "> 1.11.0-beta1", false),
            ("1.12.0", "~> 1.12.0-rc1", false),
            ("1.2.3-rc.2", "> 1.2.3-rc.10", false),
            ("v1.2", "=1.2.0", true),
            ("1.2.0+build.7", "1.2", true),
        ] {
            assert_eq!(satisfies(version, constraint), Ok(expected), "{version} {constraint}");
        }
        for (version, constraint) in [("1.x", ">= 1"), ("", ">= 1"), ("1.0beta", ">= 1"), ("1.0", ">> 1"), ("1", "")] {
            assert!(satisfies(version, constraint).is_err(), "{version} {constraint}");
        }
        assert_eq!(satisfies("1.0.0-beta", "1.0beta"), Ok(true));
    }
}
