//! Terragrunt's functions, in the unit's own file.

use std::collections::BTreeMap;

use portcullis_estate::{AccountFacts, Settings};
use portcullis_model::{AccountName, Code};

use crate::{Folder, faults, inputs, resolve, unit};

fn with_inputs(expressions: &[(&str, &str)], files: &[(&str, &str)]) -> Folder {
    let lines: String = expressions.iter().map(|(name, expr)| format!("  {name} = {expr}\n")).collect();
    let folder = Folder::new(files);
    folder.write("dev/net/vpc/main.tf", "");
    folder.write("dev/net/vpc/terragrunt.hcl", &format!("inputs = {{\n{lines}}}\n"));
    folder
}

/// Each of the answers was given by `terraform console`.
#[test]
fn patterns_of_fileset_are_those_of_terraform() {
    let cases = [
        ("**/*.json", r#"[".dot.json", ".hid/x.json", "[x].json", "a.json", "sub/deep/w.json", "sub/v.json"]"#),
        ("./*.json", r#"[".dot.json", "[x].json", "a.json"]"#),
        ("sub//*.json", r#"["sub/v.json"]"#),
        ("../e/*.json", r#"["../e/z.json"]"#),
        ("sub/../*.yaml", r#"["b.yaml"]"#),
        ("*", r#"[".dot.json", "[x].json", "a.json", "b.yaml"]"#),
        ("**/", r#"[".dot.json", ".hid/x.json", "[x].json", "a.json", "b.yaml", "sub/deep/w.json", "sub/v.json"]"#),
        ("{a,b}.*", r#"["a.json", "b.yaml"]"#),
        ("[^a].*", r#"["b.yaml"]"#),
        ("[!a].*", r#"["a.json"]"#),
        ("?.json", r#"["a.json"]"#),
        ("sub/**/w.json", r#"["sub/deep/w.json"]"#),
        ("**/deep/**", r#"["sub/deep/w.json"]"#),
        ("\\\\[x].json", r#"["[x].json"]"#),
        ("", "[]"),
        ("**.json", r#"[".dot.json", "[x].json", "a.json"]"#),
        ("{sub,e}/*.json", r#"["sub/v.json"]"#),
    ];
    let names: Vec<String> = (0..cases.len()).map(|index| format!("c{index}")).collect();
    let calls: Vec<String> =
        cases.iter().map(|(pattern, _)| format!("fileset(\"../../../d\", \"{pattern}\")")).collect();
    let expressions: Vec<(&str, &str)> = names.iter().zip(&calls).map(|(name, call)| (&**name, &**call)).collect();
    let files =
        ["a.json", "b.yaml", "sub/v.json", "sub/deep/w.json", ".hid/x.json", ".dot.json", "[x].json", "../e/z.json"];
    let paths: Vec<String> = files.iter().map(|file| format!("d/{file}").replace("d/../", "")).collect();
    let folder = with_inputs(&expressions, &paths.iter().map(|path| (&**path, "")).collect::<Vec<_>>());
    let resolved = resolve(&folder.load(), "dev/net/vpc");
    for (name, (pattern, expected)) in names.iter().zip(cases) {
        assert_eq!(format!("{:?}", resolved.inputs[name.as_str()]), expected, "{pattern}");
    }
}

#[test]
fn functions_answer_as_terragrunt_does() {
    let cases = [
        ("a", "find_in_parent_folders(\"root.hcl\")", "\"/repo/root.hcl\""),
        ("b", "find_in_parent_folders(\"none.hcl\", \"fallback\")", "\"fallback\""),
        ("c", "get_repo_root()", "\"/repo\""),
        ("d", "get_path_from_repo_root()", "\"dev/net/vpc\""),
        ("e", "get_path_to_repo_root()", "\"../../..\""),
        ("f", "path_relative_to_include()", "\".\""),
        ("g", "get_parent_terragrunt_dir()", "\"/repo/dev/net/vpc\""),
        ("h", "get_platform()", "\"linux\""),
        ("i", "get_env(\"SET\")", "\"value\""),
        ("j", "get_env(\"NOT_SET\", \"default\")", "\"default\""),
        ("k", "get_terraform_command()", "\"plan\""),
        ("l", "get_aws_account_id()", "\"111111111111\""),
        ("m", "file(\"../../../data/t.txt\")", "\"text\""),
        ("n", "fileexists(\"${get_repo_root()}/data/no\")", "false"),
        ("o", "filebase64(\"../../../data/t.txt\")", "\"dGV4dA==\""),
        ("p", "filemd5(\"../../../data/t.txt\")", "\"1cb251ec0d568de6a929b520c4aed8d1\""),
        ("q", "fileset(\"../../../data\", \"**/*.json\")", "[\"sub/v.json\"]"),
        ("r", "templatefile(\"../../../data/x.tpl\", { who = \"you\" })", "\"hello you\""),
        ("s", "jsondecode(read_tfvars_file(\"../../../data/v.tfvars\")).n", "[1, 2]"),
        ("t", "read_terragrunt_config(\"../../common.hcl\").inputs.x", "1"),
        ("u", "read_terragrunt_config(\"../../none.hcl\", { locals = { y = 2 } }).locals.y", "2"),
        ("v", "get_terraform_commands_that_need_parallelism()", "[\"apply\", \"plan\", \"destroy\"]"),
        ("w", "basename(get_terragrunt_dir())", "\"vpc\""),
        ("x", "deep_merge({ a = [1] }, { a = [2], b = 1 }).a", "[1, 2]"),
    ];
    let expressions: Vec<(&str, &str)> = cases.iter().map(|(name, expr, _)| (*name, *expr)).collect();
    let folder = with_inputs(
        &expressions,
        &[
            ("root.hcl", ""),
            ("dev/common.hcl", "inputs = {\n  x = local.x\n}\nlocals {\n  x = 1\n}\n"),
            ("data/t.txt", "text"),
            ("data/sub/v.json", "{}"),
            ("data/x.tpl", "hello ${who}"),
            ("data/v.tfvars", "n = [1, 2]\n"),
        ],
    );
    let settings = Settings {
        env: BTreeMap::from([("SET".into(), "value".into())]),
        account: Some(AccountFacts { name: AccountName::parse("dev").unwrap(), id: "111111111111".into() }),
        ..Settings::default()
    };
    let estate = folder.load_with(&settings);
    let resolved = crate::resolve_with(&estate, "dev/net/vpc", "plan", serde_json::Value::Null);
    for (name, expression, wanted) in cases {
        assert_eq!(format!("{:?}", resolved.inputs[name]), wanted, "{expression}");
    }
    let reads = &unit(&estate, "dev/net/vpc").reads;
    assert_eq!(reads, &["data/t.txt", "data/v.tfvars", "data/x.tpl", "dev/common.hcl", "dev/net/vpc/terragrunt.hcl"]);
}

#[test]
fn what_would_have_to_run_makes_a_unit_inexact_and_is_named() {
    let folder =
        with_inputs(&[("a", "1"), ("b", "run_cmd(\"id\")"), ("c", "\"x-${get_aws_caller_identity_arn()}\"")], &[]);
    let estate = folder.load();
    let found = &unit(&estate, "dev/net/vpc").inexact;
    let places: Vec<(Code, u32)> = found.iter().map(|fault| (fault.code(), fault.place().unwrap().line)).collect();
    assert_eq!(places, [(Code::INEXACT, 3), (Code::INEXACT, 4)]);
    let refused = estate.resolve(&crate::path("dev/net/vpc"), "plan", &|_| None).unwrap_err();
    assert_eq!(refused.code(), Code::INEXACT);
    // Another command is another input.
    let other =
        with_inputs(&[("a", "1"), ("b", "run_cmd(\"ls\")"), ("c", "\"x-${get_aws_caller_identity_arn()}\"")], &[]);
    assert_ne!(unit(&other.load(), "dev/net/vpc").input_digest, unit(&estate, "dev/net/vpc").input_digest);
}

#[test]
fn a_local_that_runs_something_is_not_skipped_because_nothing_uses_it() {
    let folder = with_inputs(&[], &[]);
    folder.write("dev/net/vpc/terragrunt.hcl", "locals {\n  check = run_cmd(\"./check.sh\")\n}\n");
    assert!(!unit(&folder.load(), "dev/net/vpc").is_exact());
}

#[test]
fn the_environment_of_the_process_is_never_read() {
    let folder = with_inputs(&[("a", "get_env(\"PATH\")")], &[]);
    let estate = folder.load();
    let fault = &faults(&estate, "dev/net/vpc")[0];
    assert_eq!(fault.code(), Code::HCL_EVALUATION);
    assert!(fault.message().contains("PATH"), "{fault}");
}

#[test]
fn files_outside_the_repository_cannot_be_read() {
    for expression in [
        "file(\"/etc/passwd\")",
        "file(\"../../../../x\")",
        "fileexists(\"/etc/passwd\")",
        "fileset(\"/\", \"*\")",
        "templatefile(\"/etc/hostname\", {})",
        "read_tfvars_file(\"/etc/x\")",
        "read_terragrunt_config(\"/etc/x.hcl\")",
        "abspath(\"/proc/self\")",
        "find_in_parent_folders(\"../../../../x\")",
    ] {
        let estate = with_inputs(&[("a", expression)], &[]).load();
        let fault = &faults(&estate, "dev/net/vpc")[0];
        assert_eq!(fault.code(), Code::OUTSIDE_REPOSITORY, "{expression}: {fault}");
        assert_eq!(fault.place().map(|place| place.line), Some(2), "{expression}");
    }
}

#[test]
fn configurations_that_read_each_other_are_a_cycle() {
    let folder = with_inputs(
        &[("a", "read_terragrunt_config(\"../../a.hcl\").inputs.x")],
        &[
            ("dev/a.hcl", "inputs = {\n  x = read_terragrunt_config(\"b.hcl\").inputs.x\n}\n"),
            ("dev/b.hcl", "inputs = {\n  x = read_terragrunt_config(\"a.hcl\").inputs.x\n}\n"),
        ],
    );
    let estate = folder.load();
    let fault = &faults(&estate, "dev/net/vpc")[0];
    assert_eq!(fault.code(), Code::INCLUDE_CYCLE);
    assert!(fault.message().contains("dev/a.hcl → dev/b.hcl → dev/a.hcl"), "{fault}");
}

#[test]
fn features_have_their_defaults() {
    let folder = with_inputs(&[], &[]);
    folder.write(
        "dev/net/vpc/terragrunt.hcl",
        "feature \"big\" {\n  default = true\n}\ninputs = {\n  n = feature.big.value ? 9 : 1\n}\n",
    );
    assert_eq!(inputs(&resolve(&folder.load(), "dev/net/vpc")), "n = 9");
}
