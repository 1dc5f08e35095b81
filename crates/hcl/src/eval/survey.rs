//! All that is wrong with an expression, where [`evaluate`](super::evaluate) stops at the first fault.
//!
//! Only parts are looked into that are evaluated whatever the others are: the items of a list or an object, arguments,
//! operands, what is interpolated. A fault in one of them is told, and what that one breaks is not told again.

use std::sync::Arc;

use hcl_edit::expr::{BinaryOperator, Expression, ObjectKey, TraversalOperator};
use hcl_edit::template::{Element, Template};
use portcullis_model::{Code, Fault};

use super::Context;
use crate::{Budget, File, Scope};

/// Every independent fault of an expression, in the order of the text, `most` at most; none if it has a value. When the
/// budget is used up, what was found until then and the fault that says so.
pub fn faults(expr: &Expression, file: &Arc<File>, scope: &dyn Scope, budget: &Budget, most: usize) -> Vec<Fault> {
    let mut found = Vec::new();
    Context { file, scope, budget, frame: None }.survey(expr, most, &mut found);
    found
}

impl Context<'_> {
    fn survey(&self, expr: &Expression, most: usize, found: &mut Vec<Fault>) {
        let Err(fault) = self.eval(expr) else { return };
        if fault.code() == Code::HCL_TOO_LARGE || self.caught(&fault).is_err() {
            found.push(fault);
            return;
        }
        let before = found.len();
        for part in self.parts(expr) {
            self.survey(part, most, found);
            if self.budget.is_used_up() || found.len() >= most {
                return;
            }
        }
        if found.len() == before {
            found.push(fault);
        }
    }

    /// The parts of an expression that are evaluated in any case, and with the names that it has around it.
    fn parts<'e>(&self, expr: &'e Expression) -> Vec<&'e Expression> {
        match expr {
            Expression::Array(array) => array.iter().collect(),
            Expression::Object(object) => {
                let parts = object.iter().flat_map(|(key, value)| {
                    let key = match key {
                        // A name that is not in parentheses is itself.
                        ObjectKey::Ident(_) | ObjectKey::Expression(Expression::Null(_) | Expression::Variable(_)) => {
                            None
                        }
                        ObjectKey::Expression(key) => Some(key),
                    };
                    key.into_iter().chain([value.expr()])
                });
                parts.collect()
            }
            Expression::Parenthesis(inner) => vec![inner.inner()],
            Expression::FuncCall(call) if matches!(call.name.name.value().as_str(), "try" | "can") => Vec::new(),
            Expression::FuncCall(call) => call.args.iter().collect(),
            Expression::UnaryOp(operation) => vec![&operation.expr],
            Expression::BinaryOp(operation) => match operation.operator.value() {
                BinaryOperator::And | BinaryOperator::Or => vec![&operation.lhs_expr],
                _ => vec![&operation.lhs_expr, &operation.rhs_expr],
            },
            Expression::Conditional(choice) => {
                // Which result is asked for is known only if the condition is.
                let chosen = match self.eval(&choice.cond_expr).ok().and_then(|condition| condition.as_bool()) {
                    Some(true) => Some(&choice.true_expr),
                    Some(false) => Some(&choice.false_expr),
                    None => None,
                };
                [&choice.cond_expr].into_iter().chain(chosen).collect()
            }
            Expression::Traversal(traversal) => {
                let base = Some(&traversal.expr).filter(|base| !matches!(base, Expression::Variable(_)));
                let indexes = traversal.operators.iter().map_while(|operator| match operator.value() {
                    // Behind a splat an index may be asked of no element.
                    TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => None,
                    TraversalOperator::Index(index) => Some(Some(index)),
                    _ => Some(None),
                });
                base.into_iter().chain(indexes.flatten()).collect()
            }
            // The rest has names of its own.
            Expression::ForExpr(each) => vec![&each.intro.collection_expr],
            Expression::StringTemplate(template) => interpolations(template.iter()),
            Expression::HeredocTemplate(heredoc) => interpolations(Template::iter(&heredoc.template)),
            _ => Vec::new(),
        }
    }
}

/// What is interpolated outside of directives.
fn interpolations<'t>(elements: impl Iterator<Item = &'t Element>) -> Vec<&'t Expression> {
    let inner = |element: &'t Element| match element {
        Element::Interpolation(inner) => Some(&inner.expr),
        Element::Literal(_) | Element::Directive(_) => None,
    };
    elements.filter_map(inner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EmptyScope, Limits};

    fn places(text: &str) -> Vec<(u32, u32)> {
        places_within(text, &Limits::default())
    }

    fn places_within(text: &str, limits: &Limits) -> Vec<(u32, u32)> {
        let file = Arc::new(File::parse("t.hcl", format!("x = {text}\n").as_bytes(), &Limits::default()).unwrap());
        let expr = &file.body().get_attribute("x").unwrap().value;
        let found = faults(expr, &file, &EmptyScope, &Budget::new(limits), 1_000);
        found.iter().map(|fault| fault.place().map_or((0, 0), |place| (place.line, place.column))).collect()
    }

    #[test]
    fn each_part_that_is_wrong_is_told() {
        assert_eq!(
            places("{ a = foo, (bar) = 1, c = upper(baz, \"${qux}\"), d = 1 }"),
            [(1, 11), (1, 17), (1, 37), (1, 45)]
        );
        assert_eq!(places("[foo + bar, -baz, (qux), 1 / 0]"), [(1, 6), (1, 12), (1, 18), (1, 24), (1, 30)]);
        assert_eq!(places("[for x in foo : bar]"), [(1, 15)]);
        assert_eq!(places("upper(lower(foo), \"a\" + 1)"), [(1, 17), (1, 23)]);
    }

    #[test]
    fn what_is_not_asked_for_is_not_told() {
        assert_eq!(places("[true ? 1 : foo, try(bar, 1), can(baz), false && qux, 1 == 1]"), [] as [(u32, u32); 0]);
        assert_eq!(places("[true ? foo : bar]"), [(1, 13)]);
        assert_eq!(places("[foo ? bar : baz]"), [(1, 6)]);
        assert_eq!(places("[foo && bar]"), [(1, 6)]);
        assert_eq!(places("try(foo, bar)"), [(1, 5)]);
    }

    #[test]
    fn it_ends_with_the_budget() {
        let text = format!("[{}]", "foo, ".repeat(5_000));
        let found = places_within(&text, &Limits { steps: 20_000, ..Limits::default() });
        assert!(found.len() < 200, "{}", found.len());
    }
}
