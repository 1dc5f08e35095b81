//! Imports from other repositories: by commit and content, and no other way.

use std::collections::BTreeMap;

use portcullis_fleet::{Fleet, Pinned, diff, extract, report, wanted};
use portcullis_model::{Code, Digest, Fault};

use crate::{VALID, account, codes};

const URL: &str = "https://git.example/acme/profiles";
const COMMIT: &str = "0f3c9a1b2d4e0f3c9a1b2d4e0f3c9a1b2d4e0f3c";
const DEV: &str =
    "account \"dev\" {\n  id       = \"1\"\n  profiles = [\"p\"]\n  action \"plan\" {\n    allow = [\"ci\"]\n  }\n}\n";

/// Files of another repository, by what names them.
#[derive(Default)]
struct There(BTreeMap<String, Vec<u8>>);

impl There {
    fn with(mut self, path: &str, text: &str) -> Self {
        self.0.insert(format!("git.example/acme/profiles@{}:{path}", &COMMIT[..10]), text.as_bytes().to_vec());
        self
    }

    fn get(&self, pinned: &Pinned) -> Result<Option<Vec<u8>>, Fault> {
        let found = self.0.iter().find(|(name, _)| {
            let (place, path) = name.rsplit_once(':').unwrap();
            path == pinned.path && pinned.name().starts_with(place)
        });
        Ok(found.map(|(_, bytes)| bytes.clone()))
    }
}

fn import(name: &str, path: &str, text: &str) -> String {
    let sha256 = Digest::of(text.as_bytes());
    format!(
        "import \"{name}\" {{\n  git    = \"{URL}\"\n  commit = \"{COMMIT}\"\n  sha256 = \"{sha256}\"\n  path   = \"{path}\"\n}}\n"
    )
}

fn load(more: &str, there: &There) -> Result<Fleet, Vec<Fault>> {
    let root = format!("{VALID}{DEV}{more}").into_bytes();
    Fleet::load_with(&|path| Ok((path == "portcullis.hcl").then(|| root.clone())), &|pinned| there.get(pinned))
}

#[test]
fn a_file_of_another_repository_is_a_layer_like_any_other() {
    let inner = "profile \"base\" {\n  limits {\n    pids = 99\n  }\n}\n";
    let nested =
        format!("import \"b\" {{\n  path   = \"b.hcl\"\n  sha256 = \"{}\"\n}}\n", Digest::of(inner.as_bytes()));
    let text = format!("{nested}profile \"p\" {{\n  profiles = [\"base\"]\n  regions  = [\"eu\"]\n}}\n");
    let there = There::default().with("p.hcl", &text).with("b.hcl", inner);
    let fleet = load(&import("p", "p.hcl", &text), &there).unwrap();
    let dev = account(&fleet, "dev");
    assert_eq!((dev.limits.pids, dev.regions), (99, vec!["eu".to_owned()]));
    let settings = fleet.settings(&dev.name);
    let regions = settings.iter().find(|setting| setting.path == "regions").unwrap();
    let place = regions.written[0].place.to_string();
    assert!(place.starts_with("git.example/acme/profiles@0f3c9a1b") && place.ends_with(":p.hcl:7:14"), "{place}");
}

#[test]
fn what_is_not_at_hand_is_wanted_and_more_may_be_wanted_then() {
    let inner = "profile \"base\" {}\n";
    let nested =
        format!("import \"b\" {{\n  path   = \"b.hcl\"\n  sha256 = \"{}\"\n}}\n", Digest::of(inner.as_bytes()));
    let text = format!("{nested}profile \"p\" {{\n  profiles = [\"base\"]\n}}\n");
    let root = format!("{VALID}{DEV}{}", import("p", "p.hcl", &text)).into_bytes();
    let ask = |there: &There| {
        let read = |path: &str| Ok((path == "portcullis.hcl").then(|| root.clone()));
        wanted(&read, &|pinned| there.get(pinned)).into_iter().map(|pinned| pinned.path).collect::<Vec<_>>()
    };
    assert_eq!(ask(&There::default()), ["p.hcl"]);
    assert_eq!(ask(&There::default().with("p.hcl", &text)), ["b.hcl"]);
    assert_eq!(ask(&There::default().with("p.hcl", &text).with("b.hcl", inner)), [""; 0]);
    let faults = load(&import("p", "p.hcl", &text), &There::default()).unwrap_err();
    assert_eq!(codes(&faults), [Code::FLEET_IMPORT]);
    assert_eq!(faults[0].place().unwrap().file, "portcullis.hcl");
    assert!(faults[0].remedy_text().unwrap().contains("fleet check"), "{faults:?}");
}

#[test]
fn other_content_than_was_pinned_is_refused_with_both_digests() {
    let (pinned, found) = ("profile \"p\" {}\n", "profile \"p\" {\n  regions = [\"eu\"]\n}\n");
    let there = There::default().with("p.hcl", found);
    let faults = load(&import("p", "p.hcl", pinned), &there).unwrap_err();
    assert_eq!(codes(&faults), [Code::FLEET_IMPORT_CHANGED]);
    let notes = faults[0].notes().join("\n");
    for text in [pinned, found] {
        assert!(notes.contains(&Digest::of(text.as_bytes()).to_string()), "{notes}");
    }
    let line = format!("write `sha256 = \"{}\"`.", Digest::of(found.as_bytes()));
    assert!(faults[0].remedy_text().unwrap().ends_with(&line), "{faults:?}");
}

#[test]
fn a_pinned_file_pins_what_it_imports_and_cannot_lead_in_a_circle_or_too_deep() {
    // Without a digest of its own the file could be anything.
    let text = "import \"b\" {\n  path = \"b.hcl\"\n}\nprofile \"p\" {}\n";
    let faults = load(&import("p", "p.hcl", text), &There::default().with("p.hcl", text)).unwrap_err();
    assert_eq!(codes(&faults), [Code::FLEET_IMPORT]);
    assert!(faults[0].message().contains("`sha256` is missing"), "{faults:?}");
    assert!(faults[0].place().unwrap().file.starts_with("git.example/acme/profiles@"), "{faults:?}");
    // A file that is pinned cannot hold its own digest; a chain of files can be long.
    let mut there = There::default();
    let mut text = "profile \"p\" {}\n".to_owned();
    for at in 0..10 {
        there = there.with(&format!("f{at}.hcl"), &text);
        text = import("x", &format!("f{at}.hcl"), &text);
    }
    let faults = load(&text, &there).unwrap_err();
    assert!(faults[0].message().contains("nested deeper than 8 files"), "{faults:?}");
}

#[test]
fn the_forms_of_a_pin_are_few() {
    let digest = "ab".repeat(32);
    let right = format!("git = \"{URL}\"\n  commit = \"{COMMIT}\"\n  sha256 = \"{digest}\"\n  path = \"p.hcl\"");
    for (from, to, wanted) in [
        (COMMIT, "main", "\"main\" is no commit"),
        (COMMIT, "0f3c9a1b", "\"0f3c9a1b\" is no commit"),
        ("commit =", "# commit =", "`commit` is missing"),
        ("sha256 =", "# sha256 =", "`sha256` is missing"),
        (&digest, "abc", "\"abc\" is no SHA-256"),
        ("git =", "# git =", "`commit` is for an import with `git`"),
        ("path =", "# path =", "`path` is missing"),
        ("p.hcl", "../p.hcl", "it has an empty part, `.` or `..`"),
        (URL, "https://user:secret@git.example/x", "`git` contains a password"),
        (URL, "--upload-pack=x", "is no repository"),
        (URL, "ext::sh -c x", "is no repository"),
        (URL, "file:///etc", "is no repository"),
        (URL, "http://git.example/acme/x", "is no repository"),
        (URL, "https://git.example/acme/x?ref=y", "is no repository"),
        (URL, "https://git.example/acme/x//y", "is no repository"),
        ("path =", "tag = \"v1\"\n  path =", "`import` has no attribute `tag`"),
    ] {
        let more = format!("import \"p\" {{\n  {}\n}}\n", right.replacen(from, to, 1));
        let faults = load(&more, &There::default()).unwrap_err();
        assert!(faults.iter().any(|fault| fault.message().contains(wanted)), "{to}: {faults:?}");
        assert!(!format!("{faults:?}").contains("secret"), "{faults:?}");
    }
    let more = format!("import \"p\" {{\n  path = \"p.hcl\"\n  sha256 = \"{digest}\"\n}}\n");
    let faults = load(&more, &There::default()).unwrap_err();
    assert!(faults[0].message().contains("`sha256` is for a file of another repository"), "{faults:?}");
}

/// What is pinned is not ours to edit.
#[test]
fn an_extraction_leaves_pinned_files_alone() {
    let text =
        "profile \"p\" {\n  limits {\n    pids = 99\n  }\n}\nprofile \"q\" {\n  limits {\n    pids = 99\n  }\n}\n";
    let there = There::default().with("p.hcl", text);
    let again = "account \"two\" {\n  id       = \"2\"\n  profiles = [\"q\"]\n  limits {\n    pids = 99\n  }\n  action \"plan\" {\n    allow = [\"ci\"]\n  }\n}\n";
    let root = format!("{VALID}{DEV}{again}{}", import("p", "p.hcl", text)).into_bytes();
    let read = |path: &str| Ok((path == "portcullis.hcl").then(|| root.clone()));
    let elsewhere = |pinned: &Pinned| there.get(pinned);
    assert!(!report(&read, &elsewhere).unwrap().is_empty());
    let done = extract(&read, &elsewhere, &portcullis_fleet::Wanted::default()).unwrap();
    assert_eq!(done.files.iter().map(|edit| edit.path.as_str()).collect::<Vec<_>>(), ["portcullis.hcl"]);
    let after = done.files[0].after.clone();
    let now = Fleet::load_with(&|path| Ok((path == "portcullis.hcl").then(|| after.clone())), &elsewhere).unwrap();
    let before = Fleet::load_with(&read, &elsewhere).unwrap();
    assert!(diff(&before, &now).is_empty());
    assert!(!String::from_utf8(after).unwrap().contains("pids"), "`q` says it already");
}
