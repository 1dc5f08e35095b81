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
        ("stacks/empty/README.md", ""),
        ("modules/m/main.tf", ""),
        ("stacks/tg/main.tf", ""),
        ("stacks/tg/terragrunt.hcl", "dependency \"net\" {\n  config_path = \"../net\"\n}\n"),
    ]);
    let settings = Settings { root_modules: vec!["stacks/*".into()], ..Settings::default() };
    let estate = folder.load_with(&settings);
    let names: Vec<&str> = estate.units().keys().map(|path| path.as_str()).collect();
    assert_eq!(names, ["stacks/app", "stacks/far", "stacks/kept", "stacks/local", "stacks/net", "stacks/tg"]);
    let targets = |name: &str| -> Vec<String> {
        unit(&estate, name).dependencies.iter().map(|found| found.target.to_string()).collect()
    };
    assert_eq!(targets("stacks/app"), ["stacks/net"]);
    assert_eq!(targets("stacks/far"), Vec::<String>::new());
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
