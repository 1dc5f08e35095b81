//! Root modules without Terragrunt.

use portcullis_estate::Settings;

use crate::{Folder, resolve, unit};

#[test]
fn folders_with_code_that_are_named_are_units_and_depend_on_states_that_they_read() {
    let backend = |key: &str| {
        format!(
            "terraform {{\n  backend \"s3\" {{\n    bucket = \"b\"\n    key = \"{key}\"\n    region = \"r\"\n  }}\n}}\n"
        )
    };
    let reads = |key: &str| {
        format!(
            "data \"terraform_remote_state\" \"x\" {{\n  backend = \"s3\"\n  config = {{\n    bucket = \"b\"\n    key = {key}\n  }}\n}}\n"
        )
    };
    let folder = Folder::new(&[
        ("stacks/net/main.tf", &backend("net")),
        ("stacks/app/main.tf", &backend("app")),
        ("stacks/app/data.tf", &reads("\"net\"")),
        ("stacks/far/main.tf", &reads("var.key")),
        (
            "stacks/local/main.tf",
            "data \"terraform_remote_state\" \"x\" {\n  backend = \"local\"\n  config = { path = \"../kept/terraform.tfstate\" }\n}\n",
        ),
        ("stacks/kept/main.tf", "terraform {\n  backend \"local\" {}\n}\n"),
        (
            "stacks/data/main.tf.json",
            "{\"data\": [{\"terraform_remote_state\": {\"x\": {\"backend\": \"s3\", \"config\": {\"bucket\": \"b\", \"key\": \"json\"}}}}]}",
        ),
        (
            "stacks/json/main.tf.json",
            concat!(
                "{\"terraform\": {\"backend\": {\"s3\": {\"bucket\": \"b\", \"key\": \"json\"}}}, ",
                "\"module\": {\"m\": {\"source\": \"../../modules/m\"}}}",
            ),
        ),
        ("stacks/empty/README.md", ""),
        ("modules/m/main.tf", ""),
        ("stacks/tg/main.tf", ""),
        ("stacks/tg/terragrunt.hcl", "dependency \"net\" {\n  config_path = \"../net\"\n}\n"),
    ]);
    let settings = Settings { root_modules: vec!["stacks/*".into()], ..Settings::default() };
    let estate = folder.load_with(&settings);
    let names: Vec<&str> = estate.units().keys().map(|path| path.as_str()).collect();
    assert_eq!(
        names,
        [
            "stacks/app",
            "stacks/data",
            "stacks/far",
            "stacks/json",
            "stacks/kept",
            "stacks/local",
            "stacks/net",
            "stacks/tg"
        ]
    );
    let targets = |name: &str| -> Vec<String> {
        unit(&estate, name).dependencies.iter().map(|found| found.target.to_string()).collect()
    };
    assert_eq!(targets("stacks/app"), ["stacks/net"]);
    assert_eq!(targets("stacks/far"), Vec::<String>::new());
    assert_eq!(targets("stacks/data"), ["stacks/json"]);
    let called: Vec<&str> = unit(&estate, "stacks/json").parts.files().map(|(name, _)| name).collect();
    assert!(called.contains(&"modules/m/main.tf"), "{called:?}");
    assert_eq!(targets("stacks/local"), ["stacks/kept"]);
    assert_eq!(targets("stacks/tg"), ["stacks/net"]);
    assert!(resolve(&estate, "stacks/app").source.is_none());
    let before = unit(&estate, "stacks/net").input_digest;
    folder.write("stacks/net/main.tf", &format!("{}\n# more\n", backend("net")));
    assert_ne!(unit(&folder.load_with(&settings), "stacks/net").input_digest, before);
    let wrong = Settings { root_modules: vec!["a[".into()], ..Settings::default() };
    let source = std::sync::Arc::new(portcullis_estate::DirSource::open(folder.path()).unwrap());
    assert!(portcullis_estate::Estate::load(source, &wrong).is_err());
    assert_eq!(folder.load().units().len(), 1);
}

#[test]
fn what_lies_beside_a_unit_that_is_its_own_module_counts_and_goes_along() {
    let folder = Folder::new(&[
        (
            "live/net/main.tf",
            "module \"m\" {\n  source = \"../../modules/m\"\n}\nlocals {\n  p = file(\"${path.module}/../policy.json\")\n}\n",
        ),
        ("modules/m/main.tf", "module \"inner\" {\n  source = \"../inner\"\n}\n"),
        ("modules/inner/main.tf", ""),
        ("modules/other/main.tf", ""),
        ("live/policy.json", "{}"),
        ("live/odd/main.tf", "locals {\n  p = file(\"../shared/x.json\")\n}\n"),
        ("live/parts/main.tf", "locals {\n  p = join(\"/\", [\"..\", \"shared\", var.file])\n}\n"),
        ("live/json/main.tf.json", "{\"locals\": {\"p\": \"..\\/shared/x.json\"}}"),
        ("live/plain/main.tf.json", "{\"locals\": {\"p\": 1}}"),
        ("live/plain/terragrunt.hcl", "inputs = {\n  dir = get_working_dir()\n}\n"),
        ("live/shared/x.json", "{}"),
    ]);
    let settings = Settings { root_modules: vec!["live/*".into()], ..Settings::default() };
    let estate = folder.load_with(&settings);
    let beside = resolve(&estate, "live/net").beside;
    assert_eq!(beside, ["live/policy.json", "modules/inner/main.tf", "modules/m/main.tf"]);
    assert!(estate.is_root_module(&crate::path("live/net")) && !estate.is_root_module(&crate::path("live/plain")));

    let changed = |file: &str| {
        folder.write(file, "# changed\n");
        let after = folder.load_with(&settings);
        let found = portcullis_estate::affected(&estate, &after);
        found.iter().map(|found| found.unit.to_string()).collect::<Vec<_>>()
    };
    // What cannot be told is read from anywhere.
    assert_eq!(changed("live/shared/x.json"), ["live/json", "live/odd", "live/parts"]);
    assert_eq!(changed("modules/inner/main.tf"), ["live/json", "live/net", "live/odd", "live/parts"]);
}

#[test]
fn the_working_directory_of_a_unit_with_modules_beside_it_keeps_its_place() {
    let folder = Folder::new(&[
        ("live/a/main.tf", "module \"m\" {\n  source = \"../../modules/m\"\n}\n"),
        ("live/a/terragrunt.hcl", "inputs = {\n  dir = get_working_dir()\n}\n"),
        ("live/b/main.tf", ""),
        ("live/b/terragrunt.hcl", "inputs = {\n  dir = get_working_dir()\n}\n"),
        ("modules/m/main.tf", ""),
    ]);
    let estate = folder.load();
    assert_eq!(crate::inputs(&resolve(&estate, "live/a")), "dir = \"/work/module/live/a\"");
    assert_eq!(crate::inputs(&resolve(&estate, "live/b")), "dir = \"/work/module\"");
}
