//! A declared action's program: one step, with the repository read-only beside it and no door.

use std::collections::BTreeMap;

use portcullis_model::agent::{Role, Stdout, Step, TaskSpec, When};
use portcullis_model::{Fault, UnitPath};

use crate::layout::Layout;
use crate::steps::base_env;
use crate::{Limits, REPOSITORY, Recipe, Repository, Tool};

/// The recipe. `arguments` are the program's own, in order.
///
/// # Errors
/// Those of a layout's limits.
pub fn recipe(program: &Tool, arguments: &[String], folder: &UnitPath, limits: Limits) -> Result<Recipe, Fault> {
    let mut layout = Layout::default();
    layout.put("home/.keep", Vec::new(), false)?;
    let cwd = match folder.as_str() {
        "." => REPOSITORY.to_owned(),
        folder => format!("{REPOSITORY}/{folder}"),
    };
    let step = Step::Run {
        name: program.name.clone(),
        argv: std::iter::once(&program.program).chain(arguments).cloned().collect(),
        cwd,
        env: BTreeMap::new(),
        accept: vec![0],
        stdout: Stdout::Log,
        when: When::Success,
        timeout_s: limits.step_timeout_s,
        role: Role::Tool,
    };
    let mut env = base_env();
    // There is no door, and no tool that has to be told not to ask.
    env.retain(|name, _| matches!(name.as_str(), "PATH" | "HOME" | "TMPDIR" | "LANG"));
    let spec = TaskSpec {
        steps: vec![step],
        env,
        door: None,
        read_only: Vec::new(),
        read_write: Vec::new(),
        output_max_bytes: limits.output_max_bytes,
    };
    Ok(Recipe { layout, spec, repository: Repository::Shown, init_key: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_gets_its_arguments_as_they_are_and_nothing_else() {
        let program = Tool { name: "plan".into(), version: "1".into(), program: "/tools/plan".into() };
        let arguments = ["--name=$(id) `x`".to_owned(), String::new(), "a b\n".to_owned()];
        let recipe = recipe(&program, &arguments, &UnitPath::parse("ops/keys").unwrap(), Limits::default()).unwrap();
        let [Step::Run { argv, cwd, accept, env, .. }] = recipe.spec.steps.as_slice() else { panic!("one step") };
        assert_eq!(argv, &["/tools/plan", "--name=$(id) `x`", "", "a b\n"]);
        assert_eq!((cwd.as_str(), accept.as_slice(), env.len()), ("/repo/ops/keys", &[0][..], 0));
        assert!(recipe.spec.door.is_none());
        assert_eq!(recipe.spec.env.keys().collect::<Vec<_>>(), ["HOME", "LANG", "PATH", "TMPDIR"]);
    }
}
