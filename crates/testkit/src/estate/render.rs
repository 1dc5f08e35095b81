//! The files of an estate.

use std::fmt::Write as _;

use super::Files;
use super::model::{EstateModel, Layout, Merge, UnitModel};
use super::odd::Odd;

impl EstateModel {
    /// All files.
    pub fn files(&self) -> Files {
        let mut files = Files::new();
        let mut add = |path: String, text: String| {
            let text = self.dressed(&path, text);
            files.insert(path, text);
        };
        add("root.hcl".to_owned(), self.root());
        add("common.yaml".to_owned(), self.data("common.yaml", "stage: \"{value}\"\nunused: \"{unused}\"\n"));
        for account in 0..self.accounts {
            let folder = self.account(account);
            let path = format!("{folder}/account.hcl");
            add(
                path.clone(),
                self.data(&path, "locals {\n  name = \"{folder}-{value}\"\n  unused = \"{unused}\"\n}\n"),
            );
            let path = format!("{folder}/tags.json");
            add(path.clone(), self.data(&path, "{\"owner\": \"{value}\", \"unused\": \"{unused}\"}\n"));
            if let Some(value) = self.optional.get(&account) {
                add(format!("{folder}/optional.hcl"), format!("locals {{\n  extra = \"{value}\"\n}}\n"));
            }
            for region in 0..self.regions {
                let path = format!("{}/region.hcl", self.region(account, region));
                add(path.clone(), self.data(&path, "locals {\n  name = \"{folder}-{value}\"\n}\n"));
            }
        }
        for (kind, name) in EstateModel::kinds().iter().enumerate() {
            let path = format!("_envcommon/{name}.hcl");
            add(path.clone(), self.envcommon(&path, name, kind));
            for (path, text) in self.module(name, kind) {
                add(path, text);
            }
        }
        add("modules/naming/main.tf".to_owned(), format!("output \"n\" {{\n  value = \"{}\"\n}}\n", self.naming));
        for unit in self.units.values() {
            let folder = self.folder(unit);
            if let Some(lock) = unit.lock {
                add(format!("{folder}/.terraform.lock.hcl"), format!("# provider lock {lock}\n"));
            }
            add(format!("{folder}/terragrunt.hcl"), self.unit(unit, &folder));
        }
        files.extend(self.odd.iter().flat_map(Odd::files));
        files
    }

    /// A file with its comments and its white space.
    fn dressed(&self, path: &str, mut text: String) -> String {
        let hcl = path.ends_with(".hcl") && !path.ends_with(".lock.hcl");
        if hcl && self.reformatted.contains(path) {
            // Not inside a heredoc, where white space is content.
            text = text.replace("\nlocals {\n", "\n\n\nlocals {\n\n").replace(" = \"", "   =   \"");
        }
        if let Some(comment) = self.comments.get(path).filter(|_| hcl || path.ends_with(".yaml")) {
            let _ = writeln!(text, "# comment {comment}");
        }
        text
    }

    fn data(&self, path: &str, text: &str) -> String {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).replace('/', "-");
        let unused = self.unused.get(path).copied().unwrap_or(0).to_string();
        text.replace("{folder}", &folder)
            .replace("{value}", &self.value(path, "value").to_string())
            .replace("{unused}", &unused)
    }

    fn root(&self) -> String {
        let text = r#"
locals {
  account = read_terragrunt_config(find_in_parent_folders("account.hcl"))
  region  = read_terragrunt_config(find_in_parent_folders("region.hcl"))
  common  = yamldecode(file("${get_repo_root()}/common.yaml"))
  tags    = merge(jsondecode(file(find_in_parent_folders("tags.json"))), { stage = local.common.stage })
  unused  = "{unused}"
}

remote_state {
  backend = "http"
  config = {
    address = "http://state.example/${path_relative_to_include()}/{value}"
  }
  generate = {
    path      = "backend.tf"
    if_exists = "overwrite_terragrunt"
  }
}

generate "tags" {
  path      = "tags.auto.tfvars.json"
  if_exists = "overwrite"
  disable_signature = true
  contents  = jsonencode({ owner = local.tags.owner, stage = local.tags.stage })
}

terraform {
  extra_arguments "lock" {
    commands  = get_terraform_commands_that_need_locking()
    arguments = ["-lock-timeout=2m"]
  }
}

inputs = {
  account_name = local.account.locals.name
  region_name  = local.region.locals.name
}
"#;
        self.data("root.hcl", text)
    }

    fn envcommon(&self, path: &str, name: &str, kind: usize) -> String {
        let source = match kind % 3 {
            0 => format!("${{get_repo_root()}}/modules//{name}"),
            1 => format!("${{dirname(find_in_parent_folders(\"root.hcl\"))}}/modules/{name}"),
            _ => format!("${{get_repo_root()}}//modules/{name}"),
        };
        let hook = if kind.is_multiple_of(4) {
            "\n  before_hook \"say\" {\n    commands = [\"plan\"]\n    execute  = [\"echo\", \"plan\"]\n  }\n"
        } else {
            ""
        };
        let text = format!(
            r#"
locals {{
  account = read_terragrunt_config(find_in_parent_folders("account.hcl"))
  label   = "{name}-${{local.account.locals.name}}-{{value}}"
  shared  = {{ for key in ["a", "b"] : key => "${{key}}-{{value}}" }}
  unused  = "{{unused}}"
}}

terraform {{
  source = "{source}"
{hook}}}

inputs = {{
  label  = local.label
  shared = local.shared
  list   = ["common"]
}}
"#
        );
        self.data(path, &text)
    }

    fn module(&self, name: &str, kind: usize) -> Vec<(String, String)> {
        let code = self.code.get(&kind).copied().unwrap_or(0);
        let mut main = format!("variable \"label\" {{}}\n\nlocals {{\n  version = {code}\n}}\n");
        // A module that is copied alone cannot reach another.
        if kind % 3 != 1 && kind.is_multiple_of(2) {
            main.push_str("\nmodule \"naming\" {\n  source = \"../naming\"\n}\n");
        }
        vec![
            (format!("modules/{name}/main.tf"), main),
            (format!("modules/{name}/outputs.tf"), "output \"id\" {\n  value = var.label\n}\n".to_owned()),
        ]
    }

    fn unit(&self, unit: &UnitModel, folder: &str) -> String {
        let has = |bit: u32| unit.choices >> bit & 1 == 1;
        let kind = EstateModel::kind(unit);
        let mut text = String::from("include \"root\" {\n  path   = find_in_parent_folders(\"root.hcl\")\n");
        text.push_str(if has(0) { "  expose = true\n}\n" } else { "}\n" });
        let strategy = match unit.merge {
            Merge::Default => "",
            Merge::Shallow => "  merge_strategy = \"shallow\"\n",
            Merge::Deep => "  merge_strategy = \"deep\"\n",
            Merge::None => "  merge_strategy = \"no_merge\"\n",
        };
        let _ = write!(
            text,
            "\ninclude \"envcommon\" {{\n  path   = \"${{get_repo_root()}}/_envcommon/{kind}.hcl\"\n  expose = true\n{strategy}}}\n"
        );
        if unit.merge == Merge::None {
            let _ = write!(text, "\nterraform {{\n  source = \"${{get_repo_root()}}/modules//{kind}\"\n}}\n");
        }
        text.push_str("\nlocals {\n  size = ");
        let _ = writeln!(text, "\"{}\"", unit.size);
        if has(1) {
            text.push_str("  optional = try(read_terragrunt_config(find_in_parent_folders(\"optional.hcl\")).locals.extra, \"none\")\n");
        }
        if has(2) {
            text.push_str("  near = find_in_parent_folders(\"optional.hcl\", \"nowhere\")\n");
        }
        if has(3) {
            text.push_str("  data = jsondecode(file(find_in_parent_folders(\"tags.json\")))\n");
        }
        text.push_str("}\n");
        self.dependencies(unit, folder, &mut text);
        text.push_str("\ninputs = {\n  size = local.size\n");
        for (bit, line) in [
            (0, "  seen   = include.root.locals.tags.stage\n"),
            (1, "  extra  = local.optional\n"),
            (2, "  where  = local.near\n"),
            (3, "  owner  = local.data.owner\n"),
            (4, "  common = include.envcommon.locals.label\n"),
            (5, "  list   = [\"own\"]\n"),
            (6, "  has    = fileexists(\"${get_terragrunt_dir()}/extra.txt\")\n"),
            (7, "  parent = include.envcommon.inputs.shared[\"a\"]\n"),
        ] {
            if has(bit) {
                text.push_str(line);
            }
        }
        let outputs = unit.dependencies.iter().enumerate().filter(|(index, _)| !(has(8) && *index == 0));
        for (index, _) in outputs.filter(|(_, id)| self.units.contains_key(id)) {
            let _ = writeln!(text, "  id_{index}   = dependency.d{index}.outputs.id");
        }
        text.push_str("}\n");
        if has(9) {
            text.push_str("\ngenerate \"own\" {\n  path      = \"own.tf\"\n  if_exists = \"overwrite\"\n  contents  = <<-EOT\n    # ${local.size}\n  EOT\n}\n");
        }
        text
    }

    /// The first one by `dependencies` in some units, the others by blocks.
    fn dependencies(&self, unit: &UnitModel, folder: &str, text: &mut String) {
        let up = "../".repeat(folder.split('/').count());
        for (index, id) in unit.dependencies.iter().enumerate() {
            let Some(target) = self.units.get(id) else { continue };
            let target_folder = self.folder(target);
            let path = match (unit.choices >> 10) % 3 {
                0 => format!("{up}{target_folder}"),
                1 => format!("${{get_repo_root()}}/{target_folder}"),
                _ if self.layout == Layout::Deep => format!("${{get_terragrunt_dir()}}/{up}{target_folder}"),
                _ => format!("${{dirname(find_in_parent_folders(\"root.hcl\"))}}/{target_folder}"),
            };
            if unit.choices >> 8 & 1 == 1 && index == 0 {
                let _ = write!(text, "\ndependencies {{\n  paths = [\"{path}\"]\n}}\n");
            } else {
                let _ = write!(
                    text,
                    "\ndependency \"d{index}\" {{\n  config_path = \"{path}\"\n  mock_outputs = {{\n    id = \"mock\"\n  }}\n}}\n"
                );
            }
        }
    }
}
