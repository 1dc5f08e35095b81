//! Saying once what is said more than once: what is moved where, and that nothing else changes.

use std::collections::BTreeMap;

use portcullis_fleet::{Extraction, Fleet, Kind, LayerName, Wanted, diff, extract, report};
use portcullis_model::{Code, Fault};
use serde_json::json;

use crate::VALID;

type Files = BTreeMap<String, Vec<u8>>;

fn files(all: &[(&str, &str)]) -> Files {
    all.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

fn run(files: &Files, wanted: &Wanted) -> Result<Extraction, Vec<Fault>> {
    extract(&|path| Ok(files.get(path).cloned()), &|_| Ok(None), wanted)
}

fn load(files: &Files) -> Fleet {
    Fleet::load(&|path| Ok(files.get(path).cloned())).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// The files after it; every account is what it was.
fn after(files: &Files, wanted: &Wanted) -> (Files, Extraction) {
    let done = run(files, wanted).unwrap_or_else(|faults| panic!("{faults:?}"));
    let mut after = files.clone();
    for edit in &done.files {
        assert_eq!(files[&edit.path], edit.before);
        after.insert(edit.path.clone(), edit.after.clone());
    }
    let (before, now) = (load(files), load(&after));
    assert!(diff(&before, &now).is_empty() && before.accounts() == now.accounts());
    (after, done)
}

/// [`VALID`] and more; what is more after everything is moved.
fn moved(more: &str) -> String {
    moved_by(more, &Wanted::default()).0
}

fn moved_by(more: &str, wanted: &Wanted) -> (String, Extraction) {
    let all = files(&[("portcullis.hcl", &format!("{VALID}{more}"))]);
    let (now, done) = after(&all, wanted);
    let text = String::from_utf8(now["portcullis.hcl"].clone()).unwrap();
    (text.strip_prefix(VALID).unwrap_or_else(|| panic!("{text}")).to_owned(), done)
}

/// A profile that a third account uses as well.
const PLAN: &str = "profile \"base\" {\n  action \"plan\" {\n    allow = [\"ci\"]\n  }\n}\n";
const LOGS: &str = "account \"logs\" {\n  id       = \"9\"\n  profiles = [\"base\"]\n}\n";

#[test]
fn what_accounts_say_alike_goes_to_a_new_profile_with_its_comments() {
    let before = r#"
# The first one.
account "dev" {
  id       = "1"
  profiles = ["base"]
  regions  = ["us-east-1"] # where we are

  # Small machines.
  limits {
    parallel   = 2 # few
    memory_mib = 4 * 1024
  }
}

account "prod" {
  id       = "2"
  profiles = ["base"]
  regions  = ["us-east-1"]

  limits {
    memory_mib = 4096
    parallel   = 2
    # only here
    pids = 99
  }
  env = { A = "1" }
}
"#;
    let now = moved(&format!("{PLAN}{before}{LOGS}"));
    assert_eq!(
        now.strip_prefix(PLAN).and_then(|rest| rest.strip_suffix(LOGS)).unwrap_or(&now),
        r#"
profile "common" {
  # where we are
  regions = ["us-east-1"]

  # Small machines.
  limits {
    # few
    parallel   = 2
    memory_mib = 4 * 1024
  }
}

# The first one.
account "dev" {
  id       = "1"
  profiles = ["base", "common"]
}

account "prod" {
  id       = "2"
  profiles = ["base", "common"]

  limits {
    # only here
    pids = 99
  }
  env = { A = "1" }
}
"#
    );
}

#[test]
fn a_profile_that_just_these_accounts_use_takes_it() {
    let before = r#"
account "dev" {
  id       = "1"
  profiles = ["base"]
  regions  = ["us-east-1"]
  env = {
    A = "1" # one
    B = "2"
  }
  limits {
    parallel = 2
  }
}
account "prod" {
  id       = "2"
  profiles = ["base"]
  env      = { B = "2", A = "1", C = "3" }
  regions  = ["us-east-1"]
  limits { parallel = 2 }
}
"#;
    assert_eq!(
        moved(&format!("{PLAN}{before}")),
        r#"profile "base" {
  regions = ["us-east-1"]
  env = {
    # one
    A = "1"
    B = "2"
  }

  action "plan" {
    allow = ["ci"]
  }

  limits {
    parallel = 2
  }
}

account "dev" {
  id       = "1"
  profiles = ["base"]
}
account "prod" {
  id       = "2"
  profiles = ["base"]
  env      = { C = "3" }
}
"#
    );
}

#[test]
fn what_nearly_agrees_is_moved_and_what_differs_stays() {
    let limits = |id: &str, parallel: &str| {
        format!(
            "account \"a{id}\" {{\n  id = \"{id}\"\n  profiles = [\"base\"]\n  limits {{\n    parallel   = {parallel}\n    \
             memory_mib = 4096\n    pids       = 99\n  }}\n}}\n"
        )
    };
    let before = format!("{PLAN}{}{}{}{LOGS}", limits("1", "2"), limits("2", "8"), limits("3", "2"));
    let (now, done) = moved_by(&before, &Wanted::default());
    assert!(now.contains("profile \"common-limits\" {\n  limits {\n    parallel   = 2\n    memory_mib = 4096\n    pids       = 99\n  }\n}\n"), "{now}");
    assert!(
        now.contains(
            "  id = \"2\"\n  profiles = [\"base\", \"common-limits\"]\n  limits {\n    parallel   = 8\n  }\n}\n"
        ),
        "{now}"
    );
    assert!(now.contains("  id = \"3\"\n  profiles = [\"base\", \"common-limits\"]\n}\n"), "{now}");
    assert_eq!((done.moved.len(), done.refused.len(), done.accounts), (1, 0, 4));
    let repeated = &done.moved[0].repeated;
    assert_eq!((repeated.kind, repeated.is_new), (Kind::Nearly, true));
    assert_eq!(repeated.stays["limits.parallel"], [(LayerName::Account("a2".into()), json!(8))]);
    assert_eq!(repeated.holder, Some(LayerName::LocalProfile("common-limits".into())));
}

#[test]
fn what_is_said_below_already_goes_and_its_comments_stay() {
    let before = r#"
profile "small" {
  profiles = ["base"]
  limits {
    parallel = 2
  }
  regions = ["a", "b"]
}
account "dev" {
  id       = "1"
  profiles = ["small"]
  # Do not ask for more.
  limits {
    parallel = 2
  }
  regions = append(["b"])
  env     = { A = "1" }
}
"#;
    let (now, done) = moved_by(&format!("{PLAN}{before}{LOGS}"), &Wanted::default());
    let wanted = "  profiles = [\"small\"]\n  # Do not ask for more.\n  env     = { A = \"1\" }\n}\n";
    assert!(now.contains(wanted), "{now}");
    assert_eq!(done.moved[0].repeated.kind, Kind::Again);
    assert_eq!(done.moved[0].repeated.holder, Some(LayerName::LocalProfile("small".into())));
}

#[test]
fn lists_of_profiles_are_added_to_however_they_are_written() {
    // Those that do not use `base` say what it says: they come to use it.
    let account = |id: &str, profiles: &str| {
        format!(
            "account \"a{id}\" {{\n  id = \"{id}\"\n{profiles}  env = {{\n    A = \"1\"\n  }}\n  action \"plan\" {{\n    allow = [\"ci\"]\n  }}\n}}\n"
        )
    };
    let lists = [
        "",
        "  profiles = []\n",
        "  profiles = null\n",
        "  profiles = [\"base\"] # b\n",
        "  profiles = [\n    \"base\", # b\n  ]\n",
        "  profiles = [\n    \"base\" # b\n  ]\n",
        "  profiles = local.some\n",
    ];
    let all: String = lists.iter().enumerate().map(|(at, list)| account(&at.to_string(), list)).collect();
    let before = format!("locals {{\n  some = [\"base\"]\n}}\n{PLAN}{all}");
    let (now, done) = moved_by(&before, &Wanted::default());
    assert_eq!(done.refused, [], "{now}");
    for wanted in [
        "  id = \"0\"\n  profiles = [\"common-env\", \"base\"]\n",
        "  id = \"1\"\n  profiles = [\"common-env\", \"base\"]\n",
        "  id = \"2\"\n  profiles = [\"common-env\", \"base\"]\n",
        "  profiles = [\"base\", \"common-env\"] # b\n",
        "  profiles = [\n    \"base\", # b\n    \"common-env\",\n  ]\n",
        "  profiles = concat(local.some, [\"common-env\"])\n",
    ] {
        assert!(now.contains(wanted), "{wanted}\n{now}");
    }
    assert_eq!(now.matches("    \"base\", # b\n    \"common-env\",\n").count(), 2, "{now}");
}

#[test]
fn values_of_imported_profiles_go_to_their_file_and_locals_are_written_out_elsewhere() {
    let standard = "locals {\n  n = 9\n}\nprofile \"x\" {\n  limits {\n    pids = 10 * local.n\n  }\n  regions = [\"x\"]\n}\nprofile \"y\" {\n  limits {\n    pids = 90\n  }\n}\n";
    let root = format!(
        "{VALID}{PLAN}import \"s\" {{\n  path = \"s.hcl\"\n}}\naccount \"a\" {{\n  id = \"1\"\n  profiles = [\"base\", \"x\"]\n}}\n\
         account \"b\" {{\n  id = \"2\"\n  profiles = [\"base\", \"y\"]\n}}\n{LOGS}"
    );
    let all = files(&[("portcullis.hcl", &root), ("s.hcl", standard)]);
    let (now, done) = after(&all, &Wanted::default());
    let text = String::from_utf8(now["s.hcl"].clone()).unwrap();
    assert!(text.ends_with("\nprofile \"common-limits\" {\n  limits {\n    pids = 10 * local.n\n  }\n}\n"), "{text}");
    assert!(text.contains("profile \"x\" {\n  profiles = [\"common-limits\"]\n  regions = [\"x\"]\n}\n"), "{text}");
    assert_eq!(done.moved[0].repeated.holder, Some(LayerName::ImportedProfile("common-limits".into())));
    // What the root file's layers say decides over what is imported: there the value is written out.
    let root = root.replace("profiles = [\"base\", \"y\"]", "profiles = [\"base\"]\n  limits {\n    pids = 90\n  }");
    let all = files(&[
        ("portcullis.hcl", &root),
        ("s.hcl", &standard.replace("profile \"y\" {\n  limits {\n    pids = 90\n  }\n}\n", "")),
    ]);
    let (now, _) = after(&all, &Wanted::default());
    let text = String::from_utf8(now["portcullis.hcl"].clone()).unwrap();
    assert!(text.contains("profile \"common-limits\" {\n  limits {\n    pids = 90\n  }\n}\n"), "{text}");
}

#[test]
fn one_profile_or_some_settings_can_be_asked_for() {
    let account = |id: &str| {
        format!(
            "account \"a{id}\" {{\n  id = \"{id}\"\n  profiles = [\"base\"]\n  regions = [\"eu\"]\n  limits {{\n    pids = 99\n  }}\n}}\n"
        )
    };
    let before = format!("{PLAN}{}{}{LOGS}", account("1"), account("2"));
    let wanted = |profile: Option<&str>, only: &[&str]| Wanted {
        profile: profile.map(str::to_owned),
        only: only.iter().map(|path| (*path).to_owned()).collect(),
    };
    let (now, _) = moved_by(&before, &wanted(Some("europe"), &["regions"]));
    assert!(now.contains("profile \"europe\" {\n  regions = [\"eu\"]\n}\n"), "{now}");
    assert_eq!(now.matches("pids = 99").count(), 2, "{now}");
    assert!(moved_by(&before, &wanted(None, &["env"])).1.moved.is_empty());
    // `base` is used by a third account, which would change.
    let (now, done) = moved_by(&before, &wanted(Some("base"), &[]));
    assert_eq!((now.as_str(), done.moved.len()), (before.as_str(), 0));
    let obstacle = done.refused[0].repeated.obstacle.clone().unwrap();
    assert_eq!(obstacle, "in account `logs` `limits.pids` would change");
    let all = files(&[("portcullis.hcl", &format!("{VALID}{before}"))]);
    for name in ["", "a b", "\u{430}", "x\"]\n"] {
        assert_eq!(run(&all, &wanted(Some(name), &[])).unwrap_err()[0].code(), Code::FLEET_EXTRACT, "{name}");
    }
}

#[test]
fn what_cannot_be_moved_without_a_change_stays_and_says_why() {
    // `p` says it below what `q` says otherwise, `r` on top of it.
    let before = "profile \"p\" {\n  env = { A = \"1\" }\n}\nprofile \"q\" {\n  env = { A = \"2\" }\n}\nprofile \"r\" {\n  env = { A = \"1\" }\n}\n\
                  account \"one\" {\n  id       = \"1\"\n  profiles = [\"base\", \"p\", \"q\", \"r\"]\n}\n\
                  account \"two\" {\n  id       = \"2\"\n  profiles = [\"base\", \"p\"]\n}\n";
    let (now, done) = moved_by(&format!("{PLAN}{before}"), &Wanted::default());
    assert_eq!(now, format!("{PLAN}{before}"));
    assert_eq!(done.refused[0].repeated.obstacle.as_deref(), Some("in account `one` `env.A` would change"));
    let one = "account \"a\" {\n  id = \"1\"\n  profiles = [\"base\"]\n  env = merge({ A = \"1\" }, { B = \"2\" })\n}\naccount \"b\" {\n  id = \"2\"\n  profiles = [\"base\"]\n  env = { A = \"1\" }\n}\n";
    let (_, done) = moved_by(&format!("{PLAN}{one}{LOGS}"), &Wanted::default());
    let obstacle = done.refused[0].repeated.obstacle.clone().unwrap();
    assert_eq!(obstacle, "account `a` says `env.A`, `env.B` in one expression, of which only a part is alike");
}

#[test]
fn comments_of_a_value_that_takes_the_place_of_another_stand_above_it() {
    let before = "profile \"p\" {\n  limits {\n    parallel = 4\n  }\n}\nprofile \"q\" {\n  limits {\n    parallel = 2\n  }\n}\n\
                  profile \"r\" {\n  limits { # few\n    parallel = 2\n  }\n}\naccount \"a\" {\n  id = \"1\"\n  \
                  profiles = [\"r\", \"p\", \"base\"]\n  limits {\n    parallel = 2\n  }\n}\n";
    let now = moved(&format!("{PLAN}{before}{LOGS}"));
    assert!(now.contains("profile \"p\" {\n  limits {\n    # few\n    parallel = 2\n  }\n}\n"), "{now}");
}

#[test]
fn a_custom_action_of_two_accounts_goes_as_a_whole() {
    let digest = "ab".repeat(32);
    let tools = |id: &str| {
        format!(
            r#"account "a{id}" {{
  id       = "{id}"
  profiles = ["base"]
  tools {{
    programs = {{ sweep = "{digest}" }}
  }}
  action "sweep" {{
    description = "Sweeps."
    program     = "sweep"
    phase       = "apply"
    argv        = ["--for=${{param.n}}"] # days
    allow       = ["ci"]
    parameter "n" {{
      type = "integer"
      min  = 1
      max  = 9
    }}
  }}
}}
"#
        )
    };
    let (now, done) = moved_by(&format!("{PLAN}{}{}{LOGS}", tools("1"), tools("2")), &Wanted::default());
    assert_eq!(done.refused, [], "{now}");
    assert!(now.contains("    # days\n    argv        = [\"--for=${param.n}\"]\n"), "{now}");
    assert!(
        now.contains("    parameter \"n\" {\n      type = \"integer\"\n      min  = 1\n      max  = 9\n    }\n"),
        "{now}"
    );
    assert!(now.contains("account \"a2\" {\n  id       = \"2\"\n  profiles = [\"base\", \"common\"]\n}\n"), "{now}");
}

#[test]
fn line_ends_and_the_mark_at_the_start_stay() {
    let account = |id: &str| {
        format!(
            "account \"a{id}\" {{\r\n  id = \"{id}\"\r\n  profiles = [\"base\"]\r\n  regions = [\"eu\"] # here\r\n}}\r\n"
        )
    };
    let text = format!("\u{feff}{VALID}{PLAN}{LOGS}").replace('\n', "\r\n") + &account("1") + &account("2");
    let (now, done) = after(&files(&[("portcullis.hcl", &text)]), &Wanted::default());
    let now = String::from_utf8(now["portcullis.hcl"].clone()).unwrap();
    assert!(now.starts_with('\u{feff}') && !now.replace("\r\n", "").contains('\n'), "{now:?}");
    assert!(now.contains("profile \"common-regions\" {\r\n  # here\r\n  regions = [\"eu\"]\r\n}\r\n"), "{now:?}");
    assert_eq!(done.moved.len(), 1);
}

#[test]
fn the_report_says_what_the_extraction_would_do_and_the_example_repeats_nothing() {
    let account = |id: &str| {
        format!("account \"a{id}\" {{\n  id = \"{id}\"\n  profiles = [\"base\"]\n  regions = [\"eu\"]\n}}\n")
    };
    let all = files(&[("portcullis.hcl", &format!("{VALID}{PLAN}{LOGS}{}{}", account("1"), account("2")))]);
    let found = report(&|path| Ok(all.get(path).cloned()), &|_| Ok(None)).unwrap();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].holder, Some(LayerName::LocalProfile("common-regions".into())));
    assert_eq!(found[0].values, BTreeMap::from([("regions".to_owned(), json!(["eu"]))]));
    assert_eq!((found[0].kind, found[0].is_new, &found[0].obstacle), (Kind::Equal, true, &None));
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/infrastructure-live");
    let found = report(&|path| Ok(std::fs::read(example.join(path)).ok()), &|_| Ok(None)).unwrap();
    assert_eq!(found, []);
}

mod random {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;

    /// How a layer is written, beside what it says.
    #[derive(Debug, Clone)]
    struct Says {
        env: BTreeMap<&'static str, Option<u8>>,
        /// Whether `env` has lines of its own.
        env_lines: bool,
        regions: Option<(bool, Vec<&'static str>)>,
        /// An account has an action of its own, so that it lets somebody in.
        plan: bool,
        limits: BTreeMap<&'static str, u8>,
        /// Comments: above, behind and within.
        comments: Vec<bool>,
        /// Values as expressions, locals among them.
        written: Vec<u8>,
    }

    const LIMITS: [&str; 4] = ["parallel", "memory_mib", "pids", "timeout_s"];

    fn says() -> impl Strategy<Value = Says> {
        let env =
            proptest::collection::btree_map(select(vec!["X", "Y", "Z"]), proptest::option::weighted(0.8, 0u8..2), 0..3);
        let regions = proptest::option::of((any::<bool>(), subsequence(vec!["us", "eu"], 0..=2)));
        let limits = proptest::collection::btree_map(select(LIMITS.to_vec()), 1u8..3, 0..4);
        let (comments, written) = (proptest::collection::vec(any::<bool>(), 12), proptest::collection::vec(0u8..4, 8));
        (env, any::<bool>(), regions, any::<bool>(), limits, comments, written).prop_map(
            |(env, env_lines, regions, plan, limits, comments, written)| Says {
                env,
                env_lines,
                regions,
                plan,
                limits,
                comments,
                written,
            },
        )
    }

    /// Numbers comments, so that each can be looked for.
    struct Writer {
        comments: usize,
    }

    impl Writer {
        fn comment(&mut self, wanted: bool) -> Option<String> {
            self.comments += usize::from(wanted);
            wanted.then(|| match self.comments % 3 {
                0 => format!("// c{};", self.comments),
                1 => format!("# c{}; \"{{", self.comments),
                _ => format!("/* c{}; */", self.comments),
            })
        }

        fn layer(&mut self, says: &Says, must_let_in: bool) -> String {
            let mut text = String::new();
            let mut wanted = says.comments.iter().copied().cycle();
            let mut next = || wanted.next().unwrap_or(false);
            let number = |value: u8, at: usize| match says.written.get(at % 8) {
                Some(0) => format!("\"{value}\""),
                Some(1) => format!("tostring({value})"),
                Some(2) => format!("local.v{value}"),
                _ => format!("format(\"%d\", {value})"),
            };
            let above = |comment: Option<String>, indent: &str| {
                comment.map_or(String::new(), |comment| format!("{indent}{comment}\n"))
            };
            let behind = |comment: Option<String>| comment.map_or(String::new(), |comment| format!(" {comment}"));
            if !says.env.is_empty() {
                text.push_str(&above(self.comment(next()), "  "));
                let one = |(at, (key, value)): (usize, (&&str, &Option<u8>))| {
                    format!("{key} = {}", value.map_or("null".to_owned(), |value| number(value, at)))
                };
                let entries: Vec<String> = says.env.iter().enumerate().map(one).collect();
                if says.env_lines {
                    text.push_str("  env = {\n");
                    for entry in entries {
                        text.push_str(&above(self.comment(next()), "    "));
                        text.push_str(&format!("    {entry}{}\n", behind(self.comment(next()))));
                    }
                    text.push_str("  }\n");
                } else {
                    text.push_str(&format!("  env = {{ {} }}{}\n", entries.join(", "), behind(self.comment(next()))));
                }
            }
            if let Some((append, names)) = &says.regions {
                let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
                let inside = self.comment(next()).filter(|_| !names.is_empty());
                let list = match inside {
                    Some(comment) => format!("[ {comment}\n    {}\n  ]", names.join(", ")),
                    None => format!("[{}]", names.join(", ")),
                };
                let list = if *append { format!("append({list})") } else { list };
                text.push_str(&format!("  regions = {list}\n\n"));
            }
            if says.plan || must_let_in {
                text.push_str(&above(self.comment(next()), "  "));
                text.push_str(&format!(
                    "  action \"plan\" {{\n    allow = [\"ci\"]{}\n  }}\n",
                    behind(self.comment(next()))
                ));
            }
            if !says.limits.is_empty() {
                text.push_str(&format!("  limits {{{}\n", behind(self.comment(next()))));
                for (name, value) in &says.limits {
                    text.push_str(&above(self.comment(next()), "    "));
                    text.push_str(&format!(
                        "    {name} = {}{}\n",
                        u32::from(*value) * if *name == "parallel" { 2 } else { 512 },
                        behind(self.comment(next()))
                    ));
                }
                text.push_str(&above(self.comment(next()), "    "));
                text.push_str("  }\n");
            }
            text
        }
    }

    #[derive(Debug, Clone)]
    struct Plan {
        profiles: Vec<(Says, bool)>,
        accounts: Vec<(Vec<&'static str>, Says, u8)>,
    }

    const PROFILES: [&str; 3] = ["p", "q", "r"];

    fn plan() -> impl Strategy<Value = Plan> {
        let account = (subsequence(PROFILES.to_vec(), 0..=3).prop_shuffle(), says(), 0u8..4);
        (proptest::collection::vec((says(), any::<bool>()), 3), proptest::collection::vec(account, 2..5))
            .prop_map(|(profiles, accounts)| Plan { profiles, accounts })
    }

    impl Plan {
        /// The files, and how many comments are in them.
        fn files(&self) -> (Files, usize) {
            let mut writer = Writer { comments: 0 };
            let locals = "locals {\n  v0 = \"0\"\n  v1 = \"1\"\n  p  = [\"p\"]\n}\n";
            let mut root = format!("{VALID}{locals}import \"more\" {{\n  path = \"more.hcl\"\n}}\n");
            let mut more = locals.to_owned();
            for (name, (says, is_imported)) in PROFILES.iter().zip(&self.profiles) {
                let block = format!("profile \"{name}\" {{\n{}}}\n", writer.layer(says, false));
                if *is_imported { more.push_str(&block) } else { root.push_str(&block) }
            }
            for (at, (profiles, says, style)) in self.accounts.iter().enumerate() {
                let names: Vec<String> = profiles.iter().map(|name| format!("\"{name}\"")).collect();
                let list = match (style, names.is_empty()) {
                    (_, true) => String::new(),
                    (0, _) => format!("  profiles = [\n    {}, # last\n  ]\n", names.join(",\n    ")),
                    (1, _) => format!("  profiles = [\n    {}\n  ]\n", names.join(",\n    ")),
                    (2, _) if names == ["\"p\""] => "  profiles = local.p\n".to_owned(),
                    _ => format!("  profiles = [{}]\n", names.join(", ")),
                };
                let text = writer.layer(says, true);
                root.push_str(&format!("account \"a{at}\" {{\n  id = \"{at}\"\n{list}{text}}}\n"));
            }
            let files = BTreeMap::from([
                ("portcullis.hcl".to_owned(), root.into_bytes()),
                ("more.hcl".to_owned(), more.into_bytes()),
            ]);
            (files, writer.comments)
        }
    }

    /// The comments that are in the files.
    fn comments(files: &Files) -> BTreeSet<usize> {
        let text: String = files.values().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect();
        let number = |rest: &str| rest.split_once(';').and_then(|(number, _)| number.parse().ok());
        [" c", "\tc"].iter().flat_map(|sign| text.split(sign).skip(1).filter_map(number).collect::<Vec<_>>()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn an_extraction_changes_no_account_loses_no_comment_and_leaves_nothing_for_a_second_one(plan in plan()) {
            let (files, _) = plan.files();
            // Definitions that are refused are no matter here.
            if Fleet::load(&|path| Ok(files.get(path).cloned())).is_err() {
                return Ok(());
            }
            let told = |files: &Files| report(&|path| Ok(files.get(path).cloned()), &|_| Ok(None)).unwrap();
            let (now, done) = after(&files, &Wanted::default());
            prop_assert_eq!(comments(&files), comments(&now));
            let (again, twice) = after(&now, &Wanted::default());
            prop_assert_eq!(&again, &now);
            prop_assert!(twice.moved.is_empty());
            let (first, left) = (told(&files), told(&now));
            prop_assert!(left.iter().all(|one| one.obstacle.is_some()), "{:#?}", left);
            let about_comments = |one: &portcullis_fleet::Repeated| one.obstacle.as_ref().is_some_and(|why| why.contains("comment"));
            prop_assert!(!left.iter().any(about_comments), "{}\n{:#?}", String::from_utf8_lossy(&now["portcullis.hcl"]), left);
            if !first.iter().all(|one| one.obstacle.is_some()) {
                prop_assert!(!done.moved.is_empty());
            }
            // Bytes of lines that nothing was said of are as they were.
            prop_assert!(String::from_utf8(now["portcullis.hcl"].clone()).unwrap().starts_with(VALID));
        }
    }
}
