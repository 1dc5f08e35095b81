//! Documentation of a module: what no code reads affects nothing, and what may be read counts.

use portcullis_estate::affected;

use crate::Folder;

const SILENT: &str = r#"
variable "name" {}
resource "aws_vpc" "one" {
  cidr_block = var.name
}
module "naming" {
  source = "../naming"
}
"#;
const UNIT: &str = "terraform {\n  source = \"../../modules//app\"\n  extra_arguments \"lock\" {\n    commands  = [\"plan\"]\n    arguments = [\"-lock-timeout=2m\"]\n  }\n}\ninputs = {\n  name = \"web\"\n}\n";

/// Whether changes of the module's documentation affect its unit.
fn counts(main: &str, unit: &str, more: &[(&str, &str)]) -> bool {
    let folder = Folder::new(&[
        ("modules/app/main.tf", main),
        ("modules/app/policy.json", "{}"),
        ("modules/app/start.tftpl", "echo ${name}"),
        ("modules/app/README.md", "1"),
        ("modules/app/LICENSE", "1"),
        ("modules/naming/main.tf", "output \"n\" {\n  value = \"n\"\n}\n"),
        ("modules/naming/README.md", "1"),
        ("dev/web/terragrunt.hcl", unit),
        ("dev/web/NOTES.md", "1"),
        ("dev/other/terragrunt.hcl", "inputs = {}\n"),
        ("dev/other/main.tf", ""),
    ]);
    more.iter().for_each(|(path, text)| folder.write(path, text));
    let before = folder.load();
    assert!(before.units().values().all(Result::is_ok), "{:?}", before.units());
    let changed: Vec<bool> =
        ["modules/app/README.md", "modules/app/LICENSE", "modules/naming/README.md", "dev/web/NOTES.md"]
            .map(|file| {
                folder.write(file, "2");
                let found = !affected(&before, &folder.load()).is_empty();
                folder.write(file, "1");
                found
            })
            .to_vec();
    assert!(changed.iter().all(|one| *one == changed[0]), "all of it counts, or none: {changed:?}");
    // Whatever is not documentation counts in any case.
    folder.write("modules/app/policy.json", "{ }");
    assert!(!affected(&before, &folder.load()).is_empty());
    changed[0]
}

#[test]
fn documentation_that_no_code_reads_affects_nothing() {
    assert!(!counts(SILENT, UNIT, &[]));
    assert!(!counts(SILENT, UNIT, &[("modules/app/values.yaml", "path: .\n")]));
}

#[test]
fn documentation_that_may_be_read_counts() {
    let with = |more: &str| format!("{SILENT}{more}\n");
    for more in [
        "locals {\n  x = file(\"${path.module}/README.md\")\n}",
        "locals {\n  x = file(\"readme.MD\")\n}",
        "locals {\n  x = filemd5(var.name)\n}",
        "locals {\n  x = templatefile(\"${path.module}/${var.name}\", {})\n}",
        "locals {\n  x = file(join(\"\", [\"a\", \"b.txt\"]))\n}",
        "locals {\n  x = fileset(path.module, \"**\")\n}",
        "locals {\n  x = path.module\n}",
        "locals {\n  x = \"${path.module}\"\n}",
        "locals {\n  x = \"${path.module}/\"\n}",
        "locals {\n  x = format(\"%s/x.y\", path.module)\n}",
        "locals {\n  x = abspath(\"x.y\")\n}",
        "locals {\n  x = path.root\n}",
        "locals {\n  x = base64decode(\"UkVBRE1FLm1k\")\n}",
        "locals {\n  x = \"\\u0052EADME\"\n}",
        "data \"archive_file\" \"x\" {\n  type = \"zip\"\n  source_dir = \"x\"\n}",
        "data \"external\" \"x\" {\n  program = [\"cat\"]\n}",
        "resource \"aws_s3_object\" \"x\" {\n  source_dir = \".\"\n}",
        "resource \"docker_image\" \"x\" {\n  name = \"x\"\n}",
        "resource \"terraform_data\" \"x\" {\n  provisioner \"local-exec\" {\n    command = \"ls\"\n  }\n}",
        "module \"far\" {\n  source = \"terraform-aws-modules/vpc/aws\"\n}",
        "locals {\n  x = \"the LICENSE of it\"\n  y = \"see the readme\"\n  z = \"notes\"\n}",
    ] {
        assert!(counts(&with(more), UNIT, &[]), "{more}");
    }
    // What else is in the folder, and what a unit adds.
    assert!(counts(SILENT, UNIT, &[("modules/app/terraform.tfvars", "name = \"NOTES.md\"\n")]));
    assert!(counts(SILENT, UNIT, &[("modules/app/more.tf.json", "{}")]));
    assert!(counts(SILENT, UNIT, &[("modules/naming/more.tf", "locals {\n  x = path.module\n}\n")]));
    assert!(counts(SILENT, UNIT, &[("dev/web/more.tf", "locals {\n  x = fileset(\"x\", \"*\")\n}\n")]));
    for more in [
        "terraform {\n  source = \"../../modules//app\"\n  after_hook \"x\" {\n    commands = [\"plan\"]\n    execute = [\"cat\"]\n  }\n}\ninputs = { name = \"web\" }\n",
        "terraform {\n  source = \"../../modules//app\"\n}\ninputs = { name = \"ReadMe\" }\n",
        "terraform {\n  source = \"../../modules//app\"\n}\ninputs = { name = \".\" }\n",
        "terraform {\n  source = \"../../modules//app\"\n}\ninputs = { name = run_cmd(\"x\") }\n",
        "terraform {\n  source = \"../../modules//app\"\n}\ndependency \"other\" {\n  config_path = \"../other\"\n}\ninputs = { name = dependency.other.outputs.name }\n",
        "terraform {\n  source = \"../../modules//app\"\n  extra_arguments \"x\" {\n    commands = [\"plan\"]\n    env_vars = { TF_VAR_name = \"NOTES.md\" }\n  }\n}\n",
        "terraform {\n  source = \"../../modules//app\"\n}\ngenerate \"x\" {\n  path = \"x.tf\"\n  if_exists = \"overwrite\"\n  contents = \"locals {\\n x = path.module\\n}\"\n}\ninputs = { name = \"a\" }\n",
    ] {
        assert!(counts(SILENT, more, &[]), "{more}");
    }
}
