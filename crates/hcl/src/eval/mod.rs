//! The evaluator: one expression of a file becomes one value.
//!
//! Lazy where Terraform is: a name is resolved when the evaluation comes by it, and a fault of a branch
//! that is not chosen, or of an argument of `try`, is not a fault. What depends on something unknown is
//! itself unknown, with a trace of all that went into it. Never reads anything but through [`Scope`].

mod access;
mod call;
mod collection;
mod operator;
mod suggest;
mod survey;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use operator::equal;
pub use survey::faults;
pub(crate) use template::unescape;

use bigdecimal::Signed as _;
use hcl_edit::expr::{Conditional, Expression, Traversal};
use portcullis_model::{Code, Fault};

use crate::scope::static_steps;
use crate::types::{Type, convert, unify};
use crate::value::article;
use crate::{Budget, File, Origin, Scope, Value, number};

/// Evaluates an expression of a file. Names and host functions are answered by `scope`.
pub fn evaluate(expr: &Expression, file: &Arc<File>, scope: &dyn Scope, budget: &Budget) -> Result<Value, Fault> {
    Context { file, scope, budget, frame: None }.eval(expr)
}

/// Renders a whole file as a template (as `templatefile` does). The file is made with [`File::plain`].
pub fn render(file: &Arc<File>, scope: &dyn Scope, budget: &Budget) -> Result<Value, Fault> {
    budget.parse(file.text().len())?;
    let (template, file) = &file.template(budget.limits())?;
    let at = Origin::new(file, 0..file.text().len());
    Context { file, scope, budget, frame: None }.template(template, template::Text::Plain, &at)
}

/// Steps of a fault that does not end the evaluation.
const CAUGHT: u64 = 100;

/// What an expression is evaluated in.
#[derive(Clone, Copy)]
struct Context<'a> {
    file: &'a Arc<File>,
    scope: &'a dyn Scope,
    budget: &'a Budget,
    frame: Option<&'a Frame<'a>>,
}

/// A name that a `for` binds, and the names around it.
struct Frame<'a> {
    name: &'a str,
    value: Value,
    outer: Option<&'a Frame<'a>>,
}

impl<'a> Context<'a> {
    /// The same context with one more name.
    fn with<'b>(&self, frame: &'b Frame<'b>) -> Context<'b>
    where
        'a: 'b,
    {
        Context { file: self.file, scope: self.scope, budget: self.budget, frame: Some(frame) }
    }

    fn bound(&self, name: &str) -> Option<&'a Value> {
        let mut frame = self.frame;
        while let Some(found) = frame {
            if found.name == name {
                return Some(&found.value);
            }
            frame = found.outer;
        }
        None
    }

    fn origin(&self, node: &impl hcl_edit::Span) -> Origin {
        Origin::of(self.file, node)
    }

    fn eval(&self, expr: &Expression) -> Result<Value, Fault> {
        let evaluated = self.budget.spend(1).and_then(|()| {
            let _level = self.budget.enter()?;
            let value = self.expression(expr, self.origin(expr))?;
            self.budget.hold(value.weight())?;
            Ok(value)
        });
        // A budget that is used up knows no place.
        evaluated.map_err(|fault| if fault.place().is_none() { fault.at(self.origin(expr).place()) } else { fault })
    }

    fn expression(&self, expr: &Expression, at: Origin) -> Result<Value, Fault> {
        match expr {
            Expression::Null(_) => Ok(Value::null(at)),
            Expression::Bool(value) => Ok(Value::bool(*value.value(), at)),
            Expression::Number(_) => literal_number(at),
            Expression::String(text) => {
                self.budget.grow(text.value().len())?;
                Ok(Value::string(text.value().as_str(), at))
            }
            Expression::Array(array) => self.array(array, at),
            Expression::Object(object) => self.object(object, at),
            Expression::StringTemplate(template) => self.template(template, template::Text::Quoted, &at),
            Expression::HeredocTemplate(heredoc) => {
                let text = if at.text().starts_with("<<-") { template::Text::Flush } else { template::Text::Plain };
                self.template(&heredoc.template, text, &at)
            }
            Expression::Parenthesis(inner) => self.eval(inner.inner()),
            Expression::Variable(name) => self.variable(name.value().as_str(), &[], &at).map(|(value, _)| value),
            Expression::Conditional(conditional) => self.conditional(conditional, &at),
            Expression::FuncCall(call) => self.call(call, &at),
            Expression::Traversal(traversal) => self.traversal(traversal, &at),
            Expression::UnaryOp(operation) => self.unary(operation, at),
            Expression::BinaryOp(operation) => self.binary(operation, at),
            Expression::ForExpr(expr) => self.for_expr(expr, &at),
        }
    }

    /// A variable, and how many of `steps` its value covers.
    fn variable(&self, root: &str, steps: &[&str], at: &Origin) -> Result<(Value, usize), Fault> {
        if let Some(value) = self.bound(root) {
            return Ok((value.clone(), 0));
        }
        match self.scope.resolve(root, steps, at, self.budget)? {
            Some((value, used)) => Ok((value, used.min(steps.len()))),
            None => {
                let fault = at.fault(Code::HCL_UNKNOWN_VARIABLE, format!("there is no variable `{root}`"));
                Err(suggest::add(fault, root, self.scope.variable_names()))
            }
        }
    }

    fn traversal(&self, traversal: &Traversal, at: &Origin) -> Result<Value, Fault> {
        let Expression::Variable(name) = &traversal.expr else {
            let value = self.eval(&traversal.expr)?;
            // The sign of a number binds less than what follows the number.
            if let Expression::Number(_) = &traversal.expr
                && let Some(number) = value.as_number().filter(|number| number.is_negative())
            {
                let positive = Value::number(-number, value.origin().clone());
                let result = self.steps(positive, &traversal.operators, at)?;
                return operator::negated(&result, at);
            }
            return self.steps(value, &traversal.operators, at);
        };
        let steps = static_steps(traversal);
        let (value, used) = self.variable(name.value().as_str(), &steps, at)?;
        self.steps(value, traversal.operators.get(used..).unwrap_or_default(), at)
    }

    fn conditional(&self, conditional: &Conditional, at: &Origin) -> Result<Value, Fault> {
        let condition = self.eval(&conditional.cond_expr)?;
        if condition.is_unknown() {
            return self.undecided(condition, conditional, at);
        }
        let (chosen, other) = if condition.want_bool("the condition")? {
            (&conditional.true_expr, &conditional.false_expr)
        } else {
            (&conditional.false_expr, &conditional.true_expr)
        };
        let value = self.eval(chosen)?;
        let value = if decides_alone(&value) { value } else { self.unified(value, other, at)? };
        Ok(value.mark(condition.is_sensitive()))
    }

    /// A conditional whose condition is not known. When both results are the same, the condition does not
    /// matter.
    fn undecided(&self, condition: Value, conditional: &Conditional, at: &Origin) -> Result<Value, Fault> {
        convert(&condition, &Type::Bool).map_err(|_| condition.wrong("the condition", "a bool"))?;
        let (yes, no) = (self.eval(&conditional.true_expr), self.eval(&conditional.false_expr));
        let (yes, no) = match (yes, no) {
            (Ok(yes), Ok(no)) => (yes, no),
            (yes, no) => {
                let yes = self.stand_in(&conditional.true_expr, yes)?;
                let no = self.stand_in(&conditional.false_expr, no)?;
                return Ok(Value::derived("?:", &[condition, yes, no], at.clone()));
            }
        };
        self.budget.spend(yes.cost().saturating_add(no.cost()).saturating_mul(2))?;
        let common = common_type(&yes, &no).ok_or_else(|| no_common_type(yes.type_name(), no.type_name(), at))?;
        let of =
            |value: &Value| convert(value, &common).map_err(|_| no_common_type(yes.type_name(), no.type_name(), at));
        let (left, right) = (of(&yes)?, of(&no)?);
        if left.is_known_deep() && operator::equal(&left, &right) == Some(true) {
            let marked = condition.is_sensitive() || right.is_sensitive_deep();
            return Ok(left.mark(marked));
        }
        Ok(Value::derived("?:", &[condition, left, right], at.clone()).refined(common, false))
    }

    /// The chosen result of a conditional as the type that both results have in common.
    fn unified(&self, value: Value, other: &Expression, at: &Origin) -> Result<Value, Fault> {
        let (of, weight) = match self.eval(other) {
            Ok(other) => (Type::of(&other), other.cost()),
            Err(fault) if fault.code() == Code::HCL_TOO_LARGE => return Err(fault),
            Err(fault) => {
                self.caught(&fault)?;
                match self.type_despite(other)? {
                    Type::Any => return Ok(value),
                    of => (of, 1),
                }
            }
        };
        self.budget.spend(value.cost().saturating_add(weight).saturating_mul(2))?;
        let own = Type::of(&value);
        let common = match of {
            // Null that has no type takes that of the other result; what is open may be anything.
            Type::Any => Some(own.clone()),
            _ if own == Type::Any => Some(of.clone()),
            _ => unify(&[own.clone(), of.clone()]),
        };
        let converted = common.and_then(|common| as_result(&value, &common, &of));
        converted.ok_or_else(|| no_common_type(own.name(), of.name(), at))
    }

    /// The type of an expression, as far as it is known although the expression cannot be evaluated: what HCL says of
    /// the result that is not chosen.
    fn type_despite(&self, expr: &Expression) -> Result<Type, Fault> {
        let fault = match self.eval(expr) {
            Ok(value) => return Ok(Type::of(&value)),
            Err(fault) => fault,
        };
        if fault.code() == Code::HCL_TOO_LARGE {
            return Err(fault);
        }
        self.caught(&fault)?;
        let _level = self.budget.enter()?;
        Ok(match expr {
            Expression::Parenthesis(inner) => self.type_despite(inner.inner())?,
            Expression::Conditional(conditional) => {
                let (yes, no) = (&conditional.true_expr, &conditional.false_expr);
                let types = [self.type_despite(yes)?, self.type_despite(no)?];
                unify(&types).unwrap_or(Type::Any)
            }
            Expression::BinaryOp(operation) => operator::result_type(*operation.operator.value()),
            Expression::UnaryOp(operation) => operator::unary_type(*operation.operator.value()),
            Expression::Array(array) => {
                let parts = array.iter().map(|element| self.type_despite(element)).collect::<Result<Vec<_>, _>>()?;
                Type::Tuple(parts.into())
            }
            Expression::Object(object) => {
                let mut attributes = BTreeMap::new();
                for (key, value) in object {
                    let Some(name) = self.key_despite(object, key)? else { return Ok(Type::Any) };
                    attributes.insert(name, self.type_despite(value.expr())?);
                }
                Type::Object(Arc::new(attributes))
            }
            Expression::StringTemplate(template) if template.len() > 1 => Type::String,
            _ => Type::Any,
        })
    }

    /// A fault that is not one in the end is paid for: its place and its message have been made all the same.
    pub(super) fn caught(&self, fault: &Fault) -> Result<(), Fault> {
        let column = fault.place().map_or(0, |place| place.column);
        // Names were compared.
        let told = if fault.notes().is_empty() && fault.remedy_text().is_none() { 0 } else { CAUGHT };
        self.budget.spend(CAUGHT + told + u64::from(column) / 16)
    }

    /// The value, or, if it cannot be made because of what it is made of, something that stands for it in
    /// the trace of an unknown.
    fn attempt(&self, expr: &Expression) -> Result<Value, Fault> {
        self.stand_in(expr, self.eval(expr))
    }

    fn stand_in(&self, expr: &Expression, made: Result<Value, Fault>) -> Result<Value, Fault> {
        match made {
            Err(fault) if call::is_catchable(&fault) => {
                self.caught(&fault)?;
                let at = self.origin(expr);
                let text = at.text().to_owned();
                Ok(Value::string(text, at))
            }
            result => result,
        }
    }
}

/// The type of a conditional with these results.
fn common_type(a: &Value, b: &Value) -> Option<Type> {
    match (Type::of(a), Type::of(b)) {
        // Null that has no type takes that of the other result.
        (Type::Any, of) if a.is_null() => Some(of),
        (of, Type::Any) if b.is_null() => Some(of),
        (Type::Any, _) | (_, Type::Any) => Some(Type::Any),
        (a, b) => unify(&[a, b]),
    }
}

fn no_common_type(a: &str, b: &str, at: &Origin) -> Fault {
    let (a, b) = (article(a), article(b));
    at.fault(Code::HCL_TYPE, format!("the two results of the conditional have no type in common: {a} and {b}"))
        .remedy("Give both results the same type.")
}

/// A result as the type of both. Where the other one is a list of anything, the parts of a tuple are not made alike.
fn as_result(value: &Value, common: &Type, other: &Type) -> Option<Value> {
    let is_open = |of: &Type| matches!(of, Type::List(of) | Type::Set(of) if **of == Type::Any);
    if let Type::Tuple(parts) = Type::of(value)
        && is_open(common)
        && is_open(other)
    {
        let mut parts = parts.iter().filter(|part| **part != Type::Any);
        let first = parts.next();
        if parts.any(|part| Some(part) != first) {
            return None;
        }
    }
    convert(value, common).ok()
}

/// Whether the type of the other result cannot change this one. For strings this is one thing less that
/// is refused than in Terraform (`true ? "a" : []`), for names of the other result that need not be asked.
fn decides_alone(value: &Value) -> bool {
    value.is_unknown() || value.as_str().is_some()
}

/// The parser keeps 64 bits, and may have been shown another number; the text has all digits.
fn literal_number(at: Origin) -> Result<Value, Fault> {
    let text = at.text();
    // A sign may stand before it, with white space or a comment between them.
    let digits = text.rsplit([' ', '\t', '/', '\n', '\r']).next().unwrap_or(text);
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    let number = number::parse(digits);
    match number {
        Some(number) if text.starts_with('-') => Ok(Value::number(-number, at)),
        Some(number) => Ok(Value::number(number, at)),
        None => Err(at.fault(Code::HCL_EVALUATION, "the number has too many digits")),
    }
}
