//! `autoinclude` blocks as the file that a stack generates from them: all that the stack knows is written as a
//! value, what refers to `dependency` stays as it is (`internal/hclparse/partial_eval.go`).

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_hcl::hcl_edit::Span;
use portcullis_hcl::hcl_edit::expr::{Expression, ObjectKey, TraversalOperator};
use portcullis_hcl::hcl_edit::structure::{Block, Body, Structure};
use portcullis_hcl::hcl_edit::template::{Element, Template};
use portcullis_hcl::{File, Origin, Value, references};
use portcullis_model::{Code, Fault};

use super::literal;

/// Evaluates an expression of the stack's file.
pub(super) type Evaluate<'e> = &'e dyn Fn(&Expression, &Arc<File>) -> Result<Value, Fault>;

/// What stays as it is written.
const DEFERRED: &str = "dependency";

/// The text of a body. `path` makes the text of a dependency's path.
///
/// # Errors
/// Any fault of an expression that could be evaluated here.
pub(super) fn body(
    body: &Body,
    file: &Arc<File>,
    evaluate: Evaluate<'_>,
    path: &dyn Fn(&Value) -> Result<String, Fault>,
) -> Result<String, Fault> {
    let mut text = String::new();
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => {
                let made = partial(&attribute.value, file, evaluate, &BTreeSet::from([DEFERRED.to_owned()]))?;
                text.push_str(&format!("{} = {made}\n", attribute.key.as_str()));
            }
            Structure::Block(block) => {
                refuse(block, file)?;
                let labels: String =
                    block.labels.iter().map(|label| format!(" {}", literal::string(label.as_str()))).collect();
                text.push_str(&format!("{}{labels} {{\n", block.ident.as_str()));
                text.push_str(&inner(block, file, evaluate, path)?);
                text.push_str("}\n");
            }
        }
    }
    Ok(text)
}

fn inner(
    block: &Block,
    file: &Arc<File>,
    evaluate: Evaluate<'_>,
    path: &dyn Fn(&Value) -> Result<String, Fault>,
) -> Result<String, Fault> {
    if block.ident.as_str() != DEFERRED {
        return body(&block.body, file, evaluate, path);
    }
    let mut text = String::new();
    for attribute in block.body.attributes() {
        let made = match attribute.key.as_str() {
            "config_path" => literal::string(&path(&evaluate(&attribute.value, file)?)?),
            _ => partial(&attribute.value, file, evaluate, &BTreeSet::from([DEFERRED.to_owned()]))?,
        };
        text.push_str(&format!("{} = {made}\n", attribute.key.as_str()));
    }
    Ok(text)
}

fn refuse(block: &Block, file: &Arc<File>) -> Result<(), Fault> {
    let remedy = match block.ident.as_str() {
        "locals" => "Locals belong to the stack's file itself.",
        "autoinclude" => "An `autoinclude` block holds no other.",
        _ => return Ok(()),
    };
    let message = format!("`{}` is not allowed in `autoinclude`", block.ident.as_str());
    Err(Origin::of(file, block).fault(Code::UNKNOWN_BLOCK, message).remedy(remedy))
}

/// An expression in which all is a value that does not refer to what is deferred.
fn partial(
    expression: &Expression,
    file: &Arc<File>,
    evaluate: Evaluate<'_>,
    deferred: &BTreeSet<String>,
) -> Result<String, Fault> {
    let pure = |expression: &Expression| !references(expression).iter().any(|found| deferred.contains(&found.root));
    if pure(expression) {
        return evaluate(expression, file).map(|value| literal::expression(&value));
    }
    let mut deferred = deferred.clone();
    let children: Vec<&Expression> = match expression {
        Expression::Conditional(choice) if pure(&choice.cond_expr) => {
            let condition = evaluate(&choice.cond_expr, file)?;
            if condition.is_known_deep() {
                let chosen = if condition.want_bool("a condition")? { &choice.true_expr } else { &choice.false_expr };
                return partial(chosen, file, evaluate, &deferred);
            }
            vec![&choice.true_expr, &choice.false_expr]
        }
        Expression::Conditional(choice) => vec![&choice.cond_expr, &choice.true_expr, &choice.false_expr],
        Expression::Array(array) => array.iter().collect(),
        Expression::Object(object) => {
            let keys = object.iter().flat_map(|(key, value)| {
                let key = match key {
                    ObjectKey::Expression(Expression::Variable(_)) | ObjectKey::Ident(_) => None,
                    ObjectKey::Expression(key) => Some(key),
                };
                key.into_iter().chain([value.expr()])
            });
            keys.collect()
        }
        Expression::Parenthesis(inner) => vec![inner.inner()],
        Expression::FuncCall(call) => call.args.iter().collect(),
        Expression::UnaryOp(operation) => vec![&operation.expr],
        Expression::BinaryOp(operation) => vec![&operation.lhs_expr, &operation.rhs_expr],
        Expression::Traversal(traversal) => {
            let base = Some(&traversal.expr).filter(|base| !matches!(base, Expression::Variable(_)));
            let indexes = traversal.operators.iter().filter_map(|operator| match operator.value() {
                TraversalOperator::Index(index) => Some(index),
                _ => None,
            });
            base.into_iter().chain(indexes).collect()
        }
        Expression::ForExpr(each) => {
            deferred.extend(each.intro.key_var.iter().map(|name| name.value().to_string()));
            deferred.insert(each.intro.value_var.value().to_string());
            let condition = each.cond.as_ref().map(|condition| &condition.expr);
            [Some(&each.intro.collection_expr), each.key_expr.as_ref(), Some(&each.value_expr), condition]
                .into_iter()
                .flatten()
                .collect()
        }
        Expression::StringTemplate(template) => interpolations(template.iter()),
        Expression::HeredocTemplate(heredoc) => interpolations(Template::iter(&heredoc.template)),
        _ => Vec::new(),
    };
    replaced(expression, &children, file, |child| partial(child, file, evaluate, &deferred))
}

fn interpolations<'t>(elements: impl Iterator<Item = &'t Element>) -> Vec<&'t Expression> {
    elements
        .filter_map(|element| match element {
            Element::Interpolation(inner) => Some(&inner.expr),
            // A directive's names are bound inside it; it stays as it is.
            Element::Literal(_) | Element::Directive(_) => None,
        })
        .collect()
}

/// The text of an expression with its children's replaced.
fn replaced(
    expression: &Expression,
    children: &[&Expression],
    file: &Arc<File>,
    make: impl Fn(&Expression) -> Result<String, Fault>,
) -> Result<String, Fault> {
    let lost = || Fault::internal("an expression without a place");
    let whole = expression.span().ok_or_else(lost)?;
    let mut text = String::new();
    let mut at = whole.start;
    for child in children {
        let span = child.span().ok_or_else(lost)?;
        text.push_str(file.slice(&(at..span.start)));
        text.push_str(&make(child)?);
        at = span.end;
    }
    text.push_str(file.slice(&(at..whole.end)));
    Ok(text)
}
