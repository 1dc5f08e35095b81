//! The estates that are measured: twenty independent units, and a graph of three levels, the same for every rival.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Resources of each unit.
const RESOURCES: usize = 8;
/// Units of each estate.
pub const UNITS: usize = 20;
/// The estates' folders, which are also the accounts' names.
pub const SHAPES: [Shape; 2] = [Shape::Independent, Shape::Graph];

/// How units depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Not at all.
    Independent,
    /// Four, eight that depend on two of these each, and eight that depend on two of those each.
    Graph,
}

impl Shape {
    /// Its folder.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Independent => "independent",
            Shape::Graph => "graph",
        }
    }

    /// What it is, for people.
    pub fn title(self) -> &'static str {
        match self {
            Shape::Independent => "20 independent units",
            Shape::Graph => "a graph of three levels (4, 8, 8 units)",
        }
    }

    /// Its units, by level.
    pub fn levels(self) -> Vec<Vec<Unit>> {
        let unit =
            |level: usize, number: usize, after: Vec<String>| Unit { name: format!("u{level}{number:02}"), after };
        let two = |level: usize, number: usize, of: usize| {
            vec![format!("u{level}{:02}", number % of), format!("u{level}{:02}", (number + 1) % of)]
        };
        match self {
            Shape::Independent => vec![(0..UNITS).map(|number| unit(0, number, Vec::new())).collect()],
            Shape::Graph => vec![
                (0..4).map(|number| unit(0, number, Vec::new())).collect(),
                (0..8).map(|number| unit(1, number, two(0, number, 4))).collect(),
                (0..8).map(|number| unit(2, number, two(1, number, 8))).collect(),
            ],
        }
    }
}

/// One unit.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its folder's name.
    pub name: String,
    /// The units whose outputs it takes.
    pub after: Vec<String>,
}

/// Where the units keep their state.
#[derive(Debug, Clone, Copy)]
pub enum Backend {
    /// In the runner's store.
    Runner,
    /// In a file beside the unit.
    File,
}

/// Writes both estates into a folder, as Terragrunt units with a fleet definition.
pub fn write(folder: &Path, backend: Backend, parallel: usize) -> Result<(), String> {
    let put = |path: String, text: String| {
        let file = folder.join(&path);
        let parent = file.parent().map_or(Ok(()), fs::create_dir_all);
        parent.and_then(|()| fs::write(&file, text)).map_err(|error| format!("{path}: {error}"))
    };
    put("portcullis.hcl".into(), fleet(parallel))?;
    put("root.hcl".into(), root(backend))?;
    put("modules/thing/main.tf".into(), module())?;
    for shape in SHAPES {
        for unit in shape.levels().into_iter().flatten() {
            put(format!("{}/{}/terragrunt.hcl", shape.name(), unit.name), unit_file(&unit))?;
        }
    }
    Ok(())
}

/// The module's code.
pub fn module() -> String {
    let mut text = String::from(
        "variable \"name\" {\n  type = string\n}\n\nvariable \"upstream\" {\n  type    = list(string)\n  default = []\n}\n\n",
    );
    for number in 0..RESOURCES {
        let _ = writeln!(
            text,
            "resource \"terraform_data\" \"r{number}\" {{\n  input = {{ name = \"${{var.name}}-{number}\", upstream = var.upstream }}\n}}\n"
        );
    }
    text.push_str("output \"id\" {\n  value = \"id-${var.name}\"\n}\n");
    text
}

fn unit_file(unit: &Unit) -> String {
    let mut text = String::from(
        "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n\nterraform {\n  source = \"${dirname(find_in_parent_folders(\"root.hcl\"))}/modules//thing\"\n}\n",
    );
    for name in &unit.after {
        let _ = write!(
            text,
            "\ndependency \"{name}\" {{\n  config_path = \"../{name}\"\n\n  mock_outputs = {{ id = \"mock\" }}\n  mock_outputs_allowed_terraform_commands = [\"init\", \"validate\", \"plan\"]\n}}\n"
        );
    }
    let upstream: Vec<String> = unit.after.iter().map(|name| format!("dependency.{name}.outputs.id")).collect();
    let _ = write!(text, "\ninputs = {{\n  name     = \"{}\"\n  upstream = [{}]\n}}\n", unit.name, upstream.join(", "));
    text
}

fn root(backend: Backend) -> String {
    let (kind, config) = match backend {
        Backend::Runner => {
            let address = "\"http://state.portcullis/${path_relative_to_include()}\"";
            let lines = ["address", "lock_address", "unlock_address"].map(|name| format!("    {name} = {address}\n"));
            ("http", lines.concat())
        }
        Backend::File => ("local", "    path = \"${get_terragrunt_dir()}/terraform.tfstate\"\n".to_owned()),
    };
    format!(
        "remote_state {{\n  backend = \"{kind}\"\n\n  config = {{\n{config}  }}\n\n  generate = {{\n    path      = \"backend.tf\"\n    if_exists = \"overwrite_terragrunt\"\n  }}\n}}\n"
    )
}

fn fleet(parallel: usize) -> String {
    let mut text = String::from(
        r#"fleet "bench" {
  deploy_order = ["independent", "graph"]

  repository "infrastructure-live" {
    url       = "https://example.com/infrastructure-live"
    protected = ["main"]
  }

  tools {
    driver = "native"
  }
}

identity "ci" {
  issuer = "https://example.com"
}

principal "merge" {
  identity = "ci"
  claims = {
    repository_id = "8210441"
    ref           = "refs/heads/main"
  }
}
"#,
    );
    for (number, shape) in SHAPES.iter().enumerate() {
        let name = shape.name();
        let _ = write!(
            text,
            r#"
account "{name}" {{
  id   = "11111111111{number}"
  path = "{name}"

  action "plan" {{
    allow = ["merge"]
  }}

  action "apply" {{
    allow = ["merge"]
  }}

  limits {{
    parallel = {parallel}
  }}
}}
"#
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_have_twenty_units_that_depend_on_the_level_before() {
        for shape in SHAPES {
            let levels = shape.levels();
            assert_eq!(levels.iter().map(Vec::len).sum::<usize>(), UNITS);
            for pair in levels.windows(2) {
                let before: Vec<&str> = pair[0].iter().map(|unit| unit.name.as_str()).collect();
                for unit in &pair[1] {
                    assert_eq!(unit.after.len(), 2);
                    assert!(unit.after.iter().all(|name| before.contains(&name.as_str())), "{unit:?}");
                }
            }
        }
    }
}
