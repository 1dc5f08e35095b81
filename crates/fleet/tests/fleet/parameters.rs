//! Hostile parameters out of `tests/corpus`: each is refused, and what is said of it is a snapshot. And what is let in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portcullis_fleet::{Declared, Work};
use portcullis_model::parameter::{Given, given, resolve};
use portcullis_model::{ActionKind, Code, Fault};
use serde_json::json;

use crate::{account, with};

const CORPUS: &str = include_str!("../corpus/parameters.txt");
const ACTION: &str = include_str!("../corpus/parameters.hcl");

fn probe() -> Declared {
    let fleet = with(&format!("account \"dev\" {{\n  id = \"1\"\n{ACTION}}}\n")).unwrap();
    let kind = ActionKind::parse("probe").unwrap();
    account(&fleet, "dev").actions.remove(&kind).unwrap().declared.unwrap()
}

/// What a request with these parameters comes to: the program's arguments.
fn asked(action: &Declared, json: &str) -> Result<Vec<String>, Fault> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let given: BTreeMap<String, Given> = given::by_name(&mut reader)
        .map_err(|error| Fault::new(Code::BAD_REQUEST, error.to_string()).remedy("Send what the action takes."))?;
    let values = resolve(&action.parameters, &given)?;
    let Work::Program(work) = &action.work else { panic!("it is a program") };
    work.argv.arguments(&values)
}

/// `<N*text>` is the text N times; `@` in it counts.
fn expanded(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('<') {
        let repeated = after
            .split_once('*')
            .and_then(|(count, after)| Some((count.parse::<usize>().ok()?, after.split_once('>')?)));
        out.push_str(before);
        match repeated {
            Some((count, (text, after))) => {
                (0..count).for_each(|n| out.push_str(&text.replace('@', &n.to_string())));
                rest = after;
            }
            None => {
                out.push('<');
                rest = after;
            }
        }
    }
    out + rest
}

#[test]
fn each_hostile_parameter_is_refused_with_what_is_wrong_and_what_to_give() {
    let action = probe();
    let mut said = String::new();
    let mut cases = 0;
    let mut let_in = Vec::new();
    for line in CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        cases += 1;
        let (name, value) = line.split_once(' ').unwrap();
        let value = expanded(value);
        let body = if name == "raw" { value } else { format!("{{{}:{value}}}", json!(expanded(name))) };
        match asked(&action, &body) {
            Ok(argv) => let_in.push(format!("{line}: {argv:?}")),
            Err(fault) => {
                let remedy = fault.remedy_text().unwrap_or_default();
                assert!(remedy.ends_with('.'), "{line}: {remedy:?}");
                assert!(fault.message().len() < 400, "{line}: {}", fault.message());
                assert!(fault.message().chars().all(|c| !c.is_control()), "{line}: {:?}", fault.message());
                writeln!(said, "{line}\n    {fault}\n    {remedy}").unwrap();
            }
        }
    }
    assert!(cases >= 345, "the corpus has {cases} cases");
    assert!(let_in.is_empty(), "let in:\n{}", let_in.join("\n"));
    insta::assert_snapshot!("hostile_parameters", said);
}

#[test]
fn what_a_type_takes_comes_out_as_it_was_given() {
    let action = probe();
    for (body, argv) in [
        (json!({}), vec!["--fixed=1", "--"]),
        (json!({"name": "a-b-1"}), vec!["--fixed=1", "a-b-1", "--"]),
        (json!({"title": "Zoë's new-er db"}), vec!["--fixed=1", "--name=Zoë's new-er db", "--"]),
        (json!({"title": "-x"}), vec!["--fixed=1", "--name=-x", "--"]),
        (json!({"size": "large", "count": "7"}), vec!["--fixed=1", "--size=large", "7", "--"]),
        (json!({"count": 100, "force": true}), vec!["--fixed=1", "100", "--", "--force"]),
        (json!({"force": "false"}), vec!["--fixed=1", "--"]),
        (json!({"branch": "feature/ü", "tag": "v1.2"}), vec!["--fixed=1", "feature/ü", "--tag=v1.2", "--"]),
        (
            json!({"file": "modules/net/main.tf", "unit": "dev/vpc"}),
            vec!["--fixed=1", "--", "modules/net/main.tf", "dev/vpc"],
        ),
        (json!({"file": "dev"}), vec!["--fixed=1", "--", "dev"]),
        (
            json!({"from": "https://mirror.example:8443/a%20b?x=1&y=%C3%A9"}),
            vec!["--fixed=1", "--", "--from=https://mirror.example:8443/a%20b?x=1&y=%C3%A9"],
        ),
        (json!({"version": "_v1.2-rc.3"}), vec!["--fixed=1", "--", "_v1.2-rc.3"]),
        (json!({"repository": "git.example/tools/a/b"}), vec!["--fixed=1", "--", "git.example/tools/a/b"]),
        (json!({"files": ["dev/a", "."]}), vec!["--fixed=1", "--", "dev/a", "."]),
        (json!({"files": []}), vec!["--fixed=1", "--"]),
        (
            json!({"labels": {"team": "core", "owner": "me"}}),
            vec!["--fixed=1", "--", "--label=owner=me", "--label=team=core"],
        ),
        (json!({"labels": {"owner": "-x"}}), vec!["--fixed=1", "--", "--label=owner=-x"]),
        // No shell reads it, so it is what it is.
        (json!({"text": "$(id);`x`|&*{}\"\\"}), vec!["--fixed=1", "--", "$(id);`x`|&*{}\"\\.txt"]),
        (json!({"text": ""}), vec!["--fixed=1", "--", ".txt"]),
    ] {
        assert_eq!(asked(&action, &body.to_string()).unwrap(), argv, "{body}");
    }
}
