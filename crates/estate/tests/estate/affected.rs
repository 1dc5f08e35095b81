//! Input digests, and what they say about two commits.

use portcullis_estate::{Affected, AffectedKind, Estate, Settings, ToolFacts, affected, because};

use crate::{Folder, unit};

fn live() -> Folder {
    Folder::new(&[
        ("root.hcl", "# the root\nlocals {\n  region = \"us-east-1\"\n}\ninputs = {\n  region = local.region\n}\n"),
        ("modules/vpc/main.tf", "variable \"cidr\" {}\n"),
        ("modules/app/main.tf", "module \"n\" {\n  source = \"../naming\"\n}\n"),
        ("modules/naming/main.tf", ""),
        ("modules/unused/main.tf", ""),
        (
            "dev/vpc/terragrunt.hcl",
            "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\nterraform {\n  source = \"../../modules//vpc\"\n}\ninputs = {\n  cidr = \"10.0.0.0/16\"\n}\n",
        ),
        (
            "dev/app/terragrunt.hcl",
            "terraform {\n  source = \"../../modules//app\"\n}\ndependency \"vpc\" {\n  config_path = \"../vpc\"\n  mock_outputs = { id = \"m\" }\n}\ninputs = {\n  name = \"app-${dependency.vpc.outputs.id}\"\n}\n",
        ),
    ])
}

/// What an edit affects: unit, kind and why.
fn after(edit: impl Fn(&Folder)) -> Vec<String> {
    let (before, after) = (live(), live());
    edit(&after);
    explained(&before.load(), &after.load())
}

fn explained(base: &Estate, head: &Estate) -> Vec<String> {
    let found = affected(base, head);
    let reasons = because(base, head, &found).unwrap();
    let shown = |(affected, reasons): (&Affected, &Vec<String>)| {
        format!("{} {}: {}", affected.unit, affected.kind.name(), reasons.join("; "))
    };
    found.iter().zip(&reasons).map(shown).collect()
}

fn replace(folder: &Folder, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    folder.write(file, &text.replace(from, to));
}

#[test]
fn comments_and_unused_files_affect_nothing() {
    assert_eq!(after(|folder| replace(folder, "root.hcl", "# the root", "# another remark\n")), Vec::<String>::new());
    assert_eq!(
        after(|folder| replace(folder, "dev/app/terragrunt.hcl", "inputs = {", "# remark\ninputs   =   {")),
        Vec::<String>::new()
    );
    assert_eq!(after(|folder| folder.write("modules/unused/main.tf", "# x\n")), Vec::<String>::new());
    assert_eq!(after(|folder| folder.write("README.md", "x")), Vec::<String>::new());
}

#[test]
fn what_differs_is_named_with_its_place() {
    assert_eq!(
        after(|folder| replace(folder, "root.hcl", "us-east-1", "eu-west-1")),
        [
            "dev/vpc changed: inputs.region: \"us-east-1\" → \"eu-west-1\" (from root.hcl:3 through include \"root\")",
            "dev/app downstream: only what it depends on changed: dev/vpc"
        ]
    );
    assert_eq!(
        after(|folder| folder.write("modules/naming/main.tf", "# x\n")),
        ["dev/app changed: file modules/naming/main.tf differs"]
    );
    assert_eq!(
        after(|folder| replace(folder, "dev/app/terragrunt.hcl", "\"m\"", "\"n\"")),
        ["dev/app changed: dependency.vpc.mock_outputs.id: \"m\" → \"n\" (from dev/app/terragrunt.hcl:6)"]
    );
    assert_eq!(
        after(|folder| replace(folder, "dev/app/terragrunt.hcl", "app-$", "api-$")),
        ["dev/app changed: inputs.name: \"app-${dependency.vpc.outputs.id}\" → \"api-${dependency.vpc.outputs.id}\" \
          (from dev/app/terragrunt.hcl:9)"]
    );
    assert_eq!(
        after(|folder| folder.write("dev/vpc/.terraform.lock.hcl", "# x\n")),
        [
            "dev/vpc changed: lock file dev/vpc/.terraform.lock.hcl is new",
            "dev/app downstream: only what it depends on changed: dev/vpc"
        ]
    );
    assert_eq!(
        after(|folder| replace(folder, "dev/vpc/terragrunt.hcl", "  cidr = \"10.0.0.0/16\"\n", ""))[0],
        "dev/vpc changed: inputs.cidr: \"10.0.0.0/16\" → (not set) (was in dev/vpc/terragrunt.hcl:8)"
    );
}

#[test]
fn the_shortest_reason_comes_first_and_values_are_told_apart_deeply() {
    let edit = |folder: &Folder| {
        replace(
            folder,
            "dev/vpc/terragrunt.hcl",
            "  cidr = \"10.0.0.0/16\"\n",
            "  cidr = \"10.0.0.0/16\"\n  tags = { \"a b\" = [1, { x = true }], c = 2 }\n  note = <<-EOT\n    one\n    two\n  EOT\n",
        );
    };
    let (before, after) = (live(), live());
    edit(&before);
    edit(&after);
    replace(&after, "dev/vpc/terragrunt.hcl", "x = true", "x = false");
    replace(&after, "dev/vpc/terragrunt.hcl", "c = 2", "c = 3");
    replace(&after, "dev/vpc/terragrunt.hcl", "two", "zwei");
    assert_eq!(
        explained(&before.load(), &after.load())[0],
        "dev/vpc changed: inputs.tags.c: 2 → 3 (from dev/vpc/terragrunt.hcl:9); \
         inputs.note: line 2: \"two\" → \"zwei\" (from dev/vpc/terragrunt.hcl:10); \
         inputs.tags[\"a b\"][1].x: true → false (from dev/vpc/terragrunt.hcl:9)"
    );
}

#[test]
fn a_sensitive_value_is_never_shown() {
    let edit = |folder: &Folder, secret: &str| {
        let inputs = format!("  cidr = sensitive(\"{secret}\")\n  url = \"http://u:${{sensitive(\"{secret}\")}}@h\"\n");
        replace(folder, "dev/vpc/terragrunt.hcl", "  cidr = \"10.0.0.0/16\"\n", &inputs);
    };
    let (before, after) = (live(), live());
    edit(&before, "hunter2");
    edit(&after, "hunter3");
    let found = explained(&before.load(), &after.load()).join("\n");
    assert!(found.contains("inputs.cidr: a sensitive value differs (from dev/vpc/terragrunt.hcl:8)"), "{found}");
    assert!(found.contains("inputs.url: a sensitive value differs"), "{found}");
    assert!(!found.contains("hunter"), "{found}");
    let effective = after.load().effective(&crate::path("dev/vpc")).unwrap();
    assert!(!effective.to_json().to_string().contains("hunter"));
}

#[test]
fn added_deleted_and_broken_units_are_told_apart() {
    let found = after(|folder| {
        std::fs::remove_dir_all(folder.path().join("dev/app")).unwrap();
        folder.write("dev/new/main.tf", "");
        folder.write("dev/new/terragrunt.hcl", "");
    });
    assert_eq!(found, ["dev/new added: it is new", "dev/app deleted: its folder is no unit any more"]);
    let found = after(|folder| folder.write("dev/vpc/terragrunt.hcl", "nonsense = 1\n"));
    assert!(found[0].starts_with("dev/vpc changed: cannot be evaluated"), "{found:?}");
    assert_eq!(found[1], "dev/app downstream: only what it depends on changed: dev/vpc");
}

#[test]
fn a_moved_unit_is_found_again_although_its_values_follow_its_folder() {
    let state =
        "remote_state {\n  backend = \"s3\"\n  config = {\n    key = \"${path_relative_to_include()}/state\"\n  }\n}\n";
    let root = |folder: &Folder| {
        let text = std::fs::read_to_string(folder.path().join("root.hcl")).unwrap();
        folder.write("root.hcl", &format!("{text}{state}"));
    };
    let (before, after) = (live(), live());
    root(&before);
    root(&after);
    std::fs::rename(after.path().join("dev"), after.path().join("stage")).unwrap();
    assert_eq!(
        explained(&before.load(), &after.load()),
        ["stage/vpc moved: the same as it was in dev/vpc", "stage/app moved: the same as it was in dev/app"]
    );
    replace(&after, "stage/vpc/terragrunt.hcl", "10.0", "10.1");
    assert_eq!(
        explained(&before.load(), &after.load()),
        [
            "stage/vpc added: it is new",
            "stage/app moved: the same as it was in dev/app",
            "dev/vpc deleted: its folder is no unit any more"
        ]
    );
}

#[test]
fn another_tool_is_another_input() {
    let folder = live();
    let base = folder.load();
    let tofu = ToolFacts { name: "tofu".into(), version: "1.11.4".into(), terragrunt: None };
    for tool in [tofu, ToolFacts { terragrunt: Some("1.1.0".into()), ..ToolFacts::default() }] {
        let head = folder.load_with(&Settings { tool, ..Settings::default() });
        let kinds = affected(&base, &head).iter().map(|found| found.kind).collect::<Vec<_>>();
        assert_eq!(kinds, [AffectedKind::Changed; 2]);
        assert_eq!(explained(&base, &head), ["dev/vpc changed: tool differs", "dev/app changed: tool differs"]);
    }
    assert_ne!(unit(&base, "dev/vpc").input_digest, unit(&base, "dev/app").input_digest);
}

#[test]
fn what_cannot_be_known_is_affected_by_every_file_and_says_so() {
    let with = |expression: &str| {
        let folder = live();
        replace(&folder, "dev/vpc/terragrunt.hcl", "\"10.0.0.0/16\"", expression);
        folder
    };
    let by_readme = |expression: &str| {
        let (before, after) = (with(expression), with(expression));
        after.write("README.md", "x");
        explained(&before.load(), &after.load()).into_iter().next()
    };
    let reason =
        "dev/vpc changed: some file of the repository (what is read at dev/vpc/terragrunt.hcl:8 is not known) differs";
    assert_eq!(by_readme("run_cmd(\"x\")").as_deref(), Some(reason));
    assert_eq!(by_readme("file(run_cmd(\"x\"))").as_deref(), Some(reason));
    // The world is asked, not the repository: no commit changes what it says.
    assert_eq!(by_readme("get_aws_caller_identity_arn()"), None);
    assert_eq!(by_readme("get_aws_account_id()"), None);
}

#[test]
fn files_that_configuration_names_count_by_their_content() {
    let terraform = |block: &str| format!("terraform {{\n  source = \"../../modules//vpc\"\n  {block}\n}}\n");
    let cases = [
        (
            "locals {\n  m = mark_as_read(\"${get_repo_root()}/shared/marked.txt\")\n}\n".to_owned(),
            "shared/marked.txt",
            1,
        ),
        ("locals {\n  m = mark_glob_as_read(\"${get_repo_root()}/shared/*.txt\")\n}\n".to_owned(), "shared/new.txt", 1),
        ("inputs = {\n  policy = \"${get_repo_root()}/shared/policy.json\"\n}\n".to_owned(), "shared/policy.json", 1),
        ("inputs = {\n  folder = \"${get_repo_root()}/shared\"\n}\n".to_owned(), "shared/deep/new.json", 1),
        (
            terraform(
                "extra_arguments \"v\" {\n    commands = [\"plan\"]\n    optional_var_files = [\"${get_repo_root()}/shared/dev.tfvars\"]\n  }",
            ),
            "shared/dev.tfvars",
            1,
        ),
        (
            terraform(
                "extra_arguments \"v\" {\n    commands = [\"plan\"]\n    arguments = [\"-var-file=../../shared/dev.tfvars\"]\n  }",
            ),
            "shared/dev.tfvars",
            1,
        ),
        (
            terraform(
                "before_hook \"h\" {\n    commands = [\"plan\"]\n    execute = [\"sh\", \"../../shared/hook.sh\"]\n  }",
            ),
            "shared/hook.sh",
            1,
        ),
        ("inputs = {\n  here = get_terragrunt_dir()\n}\n".to_owned(), "shared/policy.json", 0),
        ("inputs = {\n  name = \"shared/policy.json\"\n}\n".to_owned(), "shared/policy.json", 0),
    ];
    for (text, file, affected_units) in cases {
        let text = if text.starts_with("terraform") { text } else { format!("{text}{}", terraform("")) };
        let (before, after) = (live(), live());
        before.write("dev/vpc/terragrunt.hcl", &text);
        after.write("dev/vpc/terragrunt.hcl", &text);
        // First it is not there, then it is, then it is another.
        for contents in ["one", "two"] {
            after.write(file, contents);
            let found = explained(&before.load(), &after.load());
            let vpc: Vec<&String> = found.iter().filter(|line| line.starts_with("dev/vpc")).collect();
            assert_eq!(vpc.len(), affected_units, "{text}: {found:?}");
            assert!(vpc.iter().all(|line| line.contains(file)), "{text}: {found:?}");
            before.write(file, contents);
            assert_eq!(explained(&before.load(), &after.load()), Vec::<String>::new(), "{text}");
        }
    }
}

#[test]
fn a_default_that_is_written_out_affects_nothing() {
    let bare = "terraform {\n  source = \"../m\"\n  before_hook \"h\" {\n    commands = [\"plan\"]\n    execute = [\"true\"]\n  }\n}\n\
         dependency \"a\" {\n  config_path = \"../a\"\n}\n\
         generate \"g\" {\n  path = \"g.tf\"\n  if_exists = \"skip\"\n  contents = \"\"\n}\n\
         remote_state {\n  backend = \"local\"\n  config = {}\n}\n";
    let written = "terraform {\n  source = \"../m\"\n  copy_terraform_lock_file = true\n  include_in_copy = []\n  \
         before_hook \"h\" {\n    commands = [\"plan\"]\n    execute = [\"true\"]\n    if = true\n    run_on_error = false\n  }\n}\n\
         dependency \"a\" {\n  config_path = \"../a\"\n  enabled = true\n  skip_outputs = false\n  mock_outputs = null\n}\n\
         generate \"g\" {\n  path = \"g.tf\"\n  if_exists = \"skip\"\n  contents = \"\"\n  disable = false\n  comment_prefix = \"# \"\n}\n\
         remote_state {\n  backend = \"local\"\n  config = {}\n  disable_init = false\n}\n\
         prevent_destroy = false\nterraform_binary = \"\"\n";
    let folder =
        Folder::new(&[("m/main.tf", ""), ("a/main.tf", ""), ("a/terragrunt.hcl", ""), ("u/terragrunt.hcl", bare)]);
    let before = folder.load();
    folder.write("u/terragrunt.hcl", written);
    let same = folder.load();
    let (a, b) = (crate::unit(&before, "u"), crate::unit(&same, "u"));
    assert_eq!(b.parts.differences(&a.parts), []);
    assert_eq!(a.input_digest, b.input_digest);
    // What is not the default is none.
    for (from, to) in [
        ("enabled = true", "enabled = false"),
        ("run_on_error = false", "run_on_error = true"),
        ("if = true", "if = false"),
        ("comment_prefix = \"# \"", "comment_prefix = \"// \""),
        ("prevent_destroy = false", "prevent_destroy = true"),
        ("include_in_copy = []", "include_in_copy = [\".x\"]"),
        ("copy_terraform_lock_file = true", "copy_terraform_lock_file = false"),
    ] {
        folder.write("u/terragrunt.hcl", &written.replace(from, to));
        assert_ne!(crate::unit(&folder.load(), "u").input_digest, a.input_digest, "{to}");
    }
}

#[test]
fn an_order_that_no_value_shows_is_a_change_of_the_configuration() {
    let hooks = |first: &str, second: &str| {
        let hook = |name: &str| {
            format!("  after_hook \"{name}\" {{\n    commands = [\"plan\"]\n    execute = [\"x\"]\n  }}\n")
        };
        format!("terraform {{\n  source = \"../m\"\n{}{}}}\n", hook(first), hook(second))
    };
    let folder = Folder::new(&[("m/main.tf", ""), ("u/terragrunt.hcl", &hooks("a", "b"))]);
    let before = folder.load();
    folder.write("u/terragrunt.hcl", &hooks("b", "a"));
    let found = portcullis_estate::diff(&before, &folder.load()).unwrap();
    assert_eq!(found.changed(), 1);
    let change = &found.groups[0].changes[0];
    assert_eq!((change.attribute.as_str(), change.summary.as_str()), ("order of after_hook blocks", "differs"));
    assert_eq!(change.from, None);
}

#[test]
fn documentation_that_no_code_could_read_affects_nothing() {
    const QUIET: &str = "variable \"name\" {}\nresource \"terraform_data\" \"x\" {\n  input = var.name\n}\n";
    let affected_by = |main: &str, unit: &str, file: &str| {
        let folder = Folder::new(&[
            ("m/main.tf", main),
            ("m/README.md", "one"),
            ("m/LICENSE", "one"),
            ("m/data.json", "one"),
            ("m/inner/main.tf", QUIET),
            ("m/inner/README.md", "one"),
            ("m/docs/guide.md", "one"),
            ("u/README.md", "one"),
            ("u/terragrunt.hcl", unit),
        ]);
        let before = folder.load();
        folder.write(file, "two");
        !affected(&before, &folder.load()).is_empty()
    };
    let plain = "terraform {\n  source = \"../m\"\n}\ninputs = {\n  name = \"x\"\n}\n";
    for file in ["m/README.md", "m/LICENSE", "u/README.md"] {
        assert!(!affected_by(QUIET, plain, file), "{file}");
    }
    // What is no documentation, or does not lie beside code, counts.
    assert!(affected_by(QUIET, plain, "m/data.json"));
    assert!(affected_by(QUIET, plain, "m/docs/guide.md"));
    let uses = format!("{QUIET}module \"i\" {{\n  source = \"./inner\"\n  name = var.name\n}}\n");
    assert!(!affected_by(&uses, plain, "m/inner/README.md"));
    for main in [
        "locals {\n  t = file(\"${path.module}/README.md\")\n}\n",
        "locals {\n  t = file(var.x)\n}\n",
        "resource \"x\" \"y\" {\n  source_dir = var.x\n}\n",
        "resource \"x\" \"y\" {\n  chart = \".\"\n}\n",
        "resource \"x\" \"y\" {\n  provisioner \"local-exec\" {\n    command = \"cat *\"\n  }\n}\n",
        "locals {\n  broken = \n",
    ] {
        assert!(affected_by(main, plain, "m/README.md"), "{main}");
    }
    let inner = format!("{QUIET}module \"i\" {{\n  source = \"../m/inner\"\n}}\n");
    assert!(!affected_by(&inner, plain, "m/README.md"));
    for unit in [
        plain.replace("\"x\"", "\"docs/README.md\""),
        plain.replace("\"x\"", "\".\""),
        plain.replace(
            "\n}\ninputs",
            "\n  before_hook \"h\" {\n    commands = [\"plan\"]\n    execute = [\"ls\"]\n  }\n}\ninputs",
        ),
        format!(
            "{plain}generate \"g\" {{\n  path = \"g.tf\"\n  if_exists = \"skip\"\n  contents = \"locals {{ r = file(var.x) }}\"\n}}\n"
        ),
    ] {
        assert!(affected_by(QUIET, &unit, "m/README.md"), "{unit}");
    }
}
