//! How the host answers: names, host functions; and which names an expression refers to.
//!
//! Never evaluates anything itself.

use hcl_edit::expr::{Expression, Traversal, TraversalOperator};
use hcl_edit::visit::{Visit, visit_expr, visit_traversal};
use portcullis_model::Fault;

use crate::{Budget, Origin, Value};

/// What an expression may refer to. Asked lazily: only names that the evaluation comes by.
pub trait Scope {
    /// Answers `root.steps…`, or the longest prefix of it that the host owns: the value and how many of
    /// `steps` it covers. The evaluator applies the rest. `steps` are the attribute names and literal
    /// string indexes after the root, up to the first other operator. `None`: there is no such variable.
    fn resolve(
        &self,
        root: &str,
        steps: &[&str],
        at: &Origin,
        budget: &Budget,
    ) -> Result<Option<(Value, usize)>, Fault>;

    /// Calls a host function; the arguments are evaluated and may be unknown or sensitive. Asked before
    /// the pure functions, so a host may replace one. `None`: not a function of the host.
    fn call(&self, name: &str, args: &[Value], at: &Origin, budget: &Budget) -> Result<Option<Value>, Fault>;

    /// Names of the host's functions, to suggest one when a name is misspelt.
    fn function_names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Names of the host's root variables, to suggest one when a name is misspelt.
    fn variable_names(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// A scope without variables or host functions: literals and pure functions only.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptyScope;

impl Scope for EmptyScope {
    fn resolve(&self, _: &str, _: &[&str], _: &Origin, _: &Budget) -> Result<Option<(Value, usize)>, Fault> {
        Ok(None)
    }

    fn call(&self, _: &str, _: &[Value], _: &Origin, _: &Budget) -> Result<Option<Value>, Fault> {
        Ok(None)
    }
}

/// A variable that an expression refers to, as far as can be said without evaluating it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The root name, such as `local` or `dependency`.
    pub root: String,
    /// Attribute names and literal string indexes after it, up to the first other operator.
    pub steps: Vec<String>,
}

/// All variables that an expression refers to, sorted and without duplicates. Names bound by a `for`
/// inside the expression may be among them; they do no harm to a caller that looks for its own roots.
pub fn references(expr: &Expression) -> Vec<Reference> {
    let mut finder = Finder(Vec::new());
    finder.visit_expr(expr);
    finder.0.sort();
    finder.0.dedup();
    finder.0
}

struct Finder(Vec<Reference>);

impl Visit for Finder {
    fn visit_expr(&mut self, expr: &Expression) {
        if let Expression::Variable(name) = expr {
            self.0.push(Reference { root: name.value().to_string(), steps: Vec::new() });
        } else {
            visit_expr(self, expr);
        }
    }

    fn visit_traversal(&mut self, traversal: &Traversal) {
        let Expression::Variable(name) = &traversal.expr else {
            return visit_traversal(self, traversal);
        };
        let steps = static_steps(traversal).into_iter().map(str::to_owned).collect();
        self.0.push(Reference { root: name.value().to_string(), steps });
        for operator in &traversal.operators {
            if let TraversalOperator::Index(index) = operator.value() {
                self.visit_expr(index);
            }
        }
    }
}

/// The attribute names and literal string indexes at the start of a traversal.
pub(crate) fn static_steps(traversal: &Traversal) -> Vec<&str> {
    let mut steps = Vec::new();
    for operator in &traversal.operators {
        match operator.value() {
            TraversalOperator::GetAttr(name) => steps.push(name.value().as_str()),
            TraversalOperator::Index(Expression::String(key)) => steps.push(key.value().as_str()),
            _ => break,
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_everywhere() {
        let expr: Expression =
            r#"[for k in dependency.vpc.outputs["ids"] : "${local.a.b}-${k}" if f(local.c[each.key].d)]"#
                .parse()
                .unwrap();
        let found: Vec<String> =
            references(&expr).iter().map(|r| format!("{}:{}", r.root, r.steps.join("."))).collect();
        assert_eq!(found, ["dependency:vpc.outputs.ids", "each:key", "k:", "local:a.b", "local:c"]);
    }
}
