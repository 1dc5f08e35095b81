//! Paths inside the repository, as plain algebra: nothing is looked up.
//!
//! A *repository path* is relative to the root, `/` between parts, no `.` or `..`; `.` is the root itself.
//! Configuration sees the repository at [`ROOT`], in evaluation as in the sandbox.

use portcullis_model::{Code, Fault};

/// Where configuration sees the repository's root.
pub(crate) const ROOT: &str = "/repo";

/// The repository path of `text`, taken relative to the folder `base` unless it is absolute.
pub(crate) fn resolve(base: &str, text: &str) -> Result<String, Fault> {
    let (mut parts, rest) = match text.strip_prefix('/') {
        None => (split(base), text),
        Some(_) => match clean_absolute(text) {
            Some(inside) => return Ok(inside),
            None => return Err(outside(text)),
        },
    };
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err(outside(text));
                }
            }
            part => parts.push(part),
        }
    }
    Ok(join(&parts))
}

fn clean_absolute(text: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = ROOT.trim_start_matches('/');
    match parts.split_first() {
        Some((first, rest)) if *first == root => Some(join(rest)),
        _ => None,
    }
}

fn outside(text: &str) -> Fault {
    Fault::new(Code::OUTSIDE_REPOSITORY, format!("{} leads out of the repository", quoted(text)))
        .remedy("Name a path inside the repository; the runner has no other files.")
}

pub(crate) use portcullis_model::id::quoted;

/// The absolute path that configuration sees.
pub(crate) fn absolute(path: &str) -> String {
    if path == "." { ROOT.to_owned() } else { format!("{ROOT}/{path}") }
}

/// The folder that holds `path`; of the root, the root.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(parent, _)| parent)
}

/// The last part.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// `child` in the folder `base`.
pub(crate) fn child(base: &str, child: &str) -> String {
    if base == "." { child.to_owned() } else { format!("{base}/{child}") }
}

/// Whether `path` is `folder` or below it.
pub(crate) fn is_within(path: &str, folder: &str) -> bool {
    folder == "." || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The way from the folder `from` to `to`, as Go's `filepath.Rel` gives it.
pub(crate) fn relative(from: &str, to: &str) -> String {
    let (from, to) = (split(from), split(to));
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - shared);
    let parts: Vec<&str> = up.chain(to.iter().skip(shared).copied()).collect();
    join(&parts)
}

fn split(path: &str) -> Vec<&str> {
    if path == "." { Vec::new() } else { path.split('/').collect() }
}

fn join(parts: &[&str]) -> String {
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_resolve_inside_and_never_outside() {
        assert_eq!(resolve("dev/vpc", "../db").unwrap(), "dev/db");
        assert_eq!(resolve("dev/vpc", "/repo/dev/./x/").unwrap(), "dev/x");
        assert_eq!(resolve("dev", "..").unwrap(), ".");
        assert_eq!(resolve(".", "a//b").unwrap(), "a/b");
        for bad in ["../../x", "/etc/passwd", "/repository/x", "/repo/../etc", "/"] {
            assert_eq!(resolve("dev", bad).unwrap_err().code(), Code::OUTSIDE_REPOSITORY, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_resolves_is_inside_and_relative_leads_back(base in "([a-c]/){0,3}[a-c]", text in "/?([a-c./]|repo/|\\.\\./){0,12}") {
            if let Ok(path) = resolve(&base, &text) {
                proptest::prop_assert!(path == "." || path.split('/').all(|part| !matches!(part, "" | "." | "..")));
                proptest::prop_assert_eq!(&resolve(&base, &relative(&base, &path)).unwrap(), &path);
                proptest::prop_assert_eq!(&resolve(&base, &absolute(&path)).unwrap(), &path);
            }
        }
    }

    #[test]
    fn relative_is_that_of_go() {
        assert_eq!(relative(".", "dev/vpc"), "dev/vpc");
        assert_eq!(relative("dev/vpc", "."), "../..");
        assert_eq!(relative("_envcommon/net", "dev/vpc"), "../../dev/vpc");
        assert_eq!(relative("dev", "dev"), ".");
    }
}
