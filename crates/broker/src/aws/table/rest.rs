//! Method, path and query against the patterns of a service's operations.
//!
//! Several can match. One is taken before another if it says more (Smithy, *HTTP bindings*: a literal before a label, a
//! label before one that takes several segments, more of the query before less). Where two match and neither says more,
//! both are meant: whoever decides has to allow both.

use std::collections::BTreeSet;

use super::data::{Operation, Service};
use crate::aws::encode::decode;

/// How an operation is written into a request.
#[derive(Debug)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
    /// Parameters that have to be there, with this value if one is named.
    query: Vec<(&'static str, Option<&'static str>)>,
    /// Headers that have to be there.
    headers: Vec<&'static str>,
    /// Parameters that can be there.
    known: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Greedy,
    Label,
    Literal(&'static str),
}

/// What of a request counts.
pub(super) struct Target<'a> {
    pub(super) method: &'a str,
    /// As on the wire.
    pub(super) path: &'a str,
    pub(super) query: Vec<(&'a str, &'a str)>,
    pub(super) has_header: &'a dyn Fn(&str) -> bool,
    /// S3: empty segments are part of a key, and no parameter may be there that an operation does not know.
    pub(super) strict: bool,
}

/// An operation that matches, with the path's labels in order.
pub(super) struct Match<'a> {
    pub(super) service: &'a Service,
    pub(super) operation: &'a Operation,
    pub(super) labels: Vec<String>,
    kinds: Vec<Segment>,
    told_by: BTreeSet<String>,
}

impl Pattern {
    /// `path` is `/{Bucket}/{Key+}?acl`, `apart` is `q:name h:name k:name`.
    pub(super) fn read(path: &'static str, apart: &'static str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut pattern = Pattern { segments: Vec::new(), query: Vec::new(), headers: Vec::new(), known: Vec::new() };
        pattern.segments = segments(path)
            .map(|segment| match segment.strip_prefix('{').and_then(|label| label.strip_suffix('}')) {
                Some(label) if label.ends_with('+') => Segment::Greedy,
                Some(_) => Segment::Label,
                None => Segment::Literal(segment),
            })
            .collect();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some((name, value)) => pattern.query.push((name, Some(value).filter(|value| !value.is_empty()))),
                None => pattern.query.push((pair, None)),
            }
        }
        for word in apart.split(' ') {
            match word.split_once(':') {
                Some(("q", name)) => pattern.query.push((name, None)),
                Some(("h", name)) => pattern.headers.push(name),
                Some(("k", name)) => pattern.known.push(name),
                _ => {}
            }
        }
        pattern
    }

    fn matches(&self, target: &Target<'_>, path: &[&str]) -> Option<(Vec<String>, Vec<Segment>)> {
        let asked = |name: &str, wanted: &Option<&str>| {
            target.query.iter().any(|(known, value)| *known == name && wanted.is_none_or(|wanted| wanted == *value))
        };
        if !self.query.iter().all(|(name, value)| asked(name, value))
            || !self.headers.iter().all(|name| (target.has_header)(name))
        {
            return None;
        }
        let (mut labels, mut kinds) = (Vec::new(), Vec::new());
        let mut at = 0;
        for (n, segment) in self.segments.iter().enumerate() {
            let after = self.segments.len() - n - 1;
            let take = if *segment == Segment::Greedy { path.len().checked_sub(at + after)? } else { 1 };
            let taken = path.get(at..at + take).filter(|taken| !taken.is_empty())?;
            let text = taken.iter().map(|part| decode(part)).collect::<Option<Vec<_>>>()?.join("/");
            match segment {
                Segment::Literal(literal) if text == *literal => {}
                Segment::Label | Segment::Greedy if !text.is_empty() => labels.push(text),
                _ => return None,
            }
            kinds.extend(std::iter::repeat_n(*segment, take));
            at += take;
        }
        (at == path.len()).then_some((labels, kinds))
    }

    fn told_by(&self) -> BTreeSet<String> {
        let query = self.query.iter().map(|(name, value)| format!("{name}={}", value.unwrap_or_default()));
        query.chain(self.headers.iter().map(|name| format!("{name}:"))).collect()
    }

    fn knows(&self, name: &str) -> bool {
        self.query.iter().any(|(known, _)| *known == name) || self.known.contains(&name)
    }
}

impl Match<'_> {
    /// Whether this one is meant and the other is not.
    fn says_more(&self, other: &Match<'_>) -> bool {
        let kind = |segment: &Segment| match segment {
            Segment::Greedy => 0,
            Segment::Label => 1,
            Segment::Literal(_) => 2,
        };
        let pairs: Vec<_> = self.kinds.iter().map(kind).zip(other.kinds.iter().map(kind)).collect();
        let (ahead, behind) = (pairs.iter().any(|(a, b)| a > b), pairs.iter().any(|(a, b)| a < b));
        if ahead || behind {
            return ahead && !behind;
        }
        self.told_by.len() > other.told_by.len() && self.told_by.is_superset(&other.told_by)
    }
}

/// The operations that are meant. Empty: none, or a parameter is there that none of them knows.
pub(super) fn find<'a>(services: &[&'a Service], target: &Target<'_>) -> Vec<Match<'a>> {
    let path: Vec<&str> =
        if target.strict { target.path.split('/').skip(1).collect() } else { segments(target.path).collect() };
    let path: &[&str] = if path == [""] { &[] } else { &path };
    let mut found: Vec<Match<'a>> = Vec::new();
    for service in services {
        for operation in service.operations().iter().filter(|operation| operation.method == target.method) {
            let Some(pattern) = &operation.pattern else { continue };
            let Some((labels, kinds)) = pattern.matches(target, path) else { continue };
            found.push(Match { service, operation, labels, kinds, told_by: pattern.told_by() });
        }
    }
    let meant: Vec<bool> = found.iter().map(|one| !found.iter().any(|other| other.says_more(one))).collect();
    let mut meant = meant.into_iter();
    found.retain(|_| meant.next().unwrap_or(true));
    let knows = |name: &str| found.iter().any(|one| one.operation.pattern.as_ref().is_some_and(|p| p.knows(name)));
    if target.strict && !target.query.iter().all(|(name, _)| knows(name)) {
        return Vec::new();
    }
    found
}

/// Of a path; one slash at its end counts for nothing.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').filter(move |_| !path.is_empty())
}
