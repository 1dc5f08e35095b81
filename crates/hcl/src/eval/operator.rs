//! Operators: logic, comparison, arithmetic; null rules and unknown operands.

use bigdecimal::{BigDecimal, Zero as _};
use hcl_edit::expr::{BinaryOp, BinaryOperator, UnaryOp, UnaryOperator};
use portcullis_model::{Code, Fault};

use super::Context;
use super::call::is_catchable;
use crate::types::{Type, convert};
use crate::value::{Kind, article};
use crate::{Origin, Value, number};

impl Context<'_> {
    pub(super) fn unary(&self, operation: &UnaryOp, at: Origin) -> Result<Value, Fault> {
        let operand = self.eval(&operation.expr)?;
        let operator = *operation.operator.value();
        let sensitive = operand.is_sensitive();
        let result = match operator {
            UnaryOperator::Not => want_bool(&operand, "!", &at)?.map(|value| Value::bool(!value, at.clone())),
            UnaryOperator::Neg => want_number(&operand, "-", &at)?.map(|value| Value::number(-value, at.clone())),
        };
        let of = if operator == UnaryOperator::Not { Type::Bool } else { Type::Number };
        let result = result.unwrap_or_else(|| Value::derived(operator.as_str(), &[operand], at).never_null(of));
        Ok(result.mark(sensitive))
    }

    pub(super) fn binary(&self, operation: &BinaryOp, at: Origin) -> Result<Value, Fault> {
        let operator = *operation.operator.value();
        let left = self.eval(&operation.lhs_expr);
        if let BinaryOperator::And | BinaryOperator::Or = operator {
            return match left {
                Err(fault) if is_catchable(&fault) => self.rescued(operation, fault, at),
                left => self.logic(operation, left?, at),
            };
        }
        let left = left?;
        let right = self.eval(&operation.rhs_expr)?;
        if let BinaryOperator::Eq | BinaryOperator::NotEq = operator {
            self.budget.spend(left.cost().min(right.cost()))?;
            let sensitive = left.is_sensitive_deep() || right.is_sensitive_deep();
            let result = match equal(&left, &right) {
                Some(same) => Value::bool(same == (operator == BinaryOperator::Eq), at),
                None => {
                    self.budget.spend(left.cost().max(right.cost()))?;
                    Value::derived(operator.as_str(), &[left, right], at).never_null(Type::Bool)
                }
            };
            return Ok(result.mark(sensitive));
        }
        let sensitive = left.is_sensitive() || right.is_sensitive();
        let numbers = (want_number(&left, operator.as_str(), &at)?, want_number(&right, operator.as_str(), &at)?);
        let result = match numbers {
            (Some(a), Some(b)) => {
                let divides = matches!(operator, BinaryOperator::Div | BinaryOperator::Mod);
                self.budget.spend(if divides { number::division_cost(&a, &b) } else { number::cost(&a, &b) })?;
                compute(operator, &a, &b, at)?
            }
            _ => Value::derived(operator.as_str(), &[left, right], at).never_null(result_type(operator)),
        };
        Ok(result.mark(sensitive))
    }

    /// `&&` and `||` with a left operand that cannot be evaluated: that does not matter where the right one
    /// decides, as in HCL from 2.24 on.
    fn rescued(&self, operation: &BinaryOp, fault: Fault, at: Origin) -> Result<Value, Fault> {
        let deciding = *operation.operator.value() == BinaryOperator::Or;
        self.caught(&fault)?;
        match self.eval(&operation.rhs_expr) {
            Ok(right) if right.as_bool() == Some(deciding) => Ok(Value::bool(deciding, at).mark(right.is_sensitive())),
            Err(right) if !is_catchable(&right) => Err(right),
            _ => Err(fault),
        }
    }

    /// `&&` and `||`: the right operand does not matter, and so may not fail, when the left one decides.
    fn logic(&self, operation: &BinaryOp, left: Value, at: Origin) -> Result<Value, Fault> {
        let operator = *operation.operator.value();
        let deciding = operator == BinaryOperator::Or;
        let known_left = want_bool(&left, operator.as_str(), &at)?;
        if known_left == Some(deciding) {
            return Ok(Value::bool(deciding, at).mark(left.is_sensitive()));
        }
        let right = self.eval(&operation.rhs_expr)?;
        let sensitive = left.is_sensitive() || right.is_sensitive();
        let result = match (known_left, want_bool(&right, operator.as_str(), &at)?) {
            (_, Some(value)) if value == deciding => Value::bool(deciding, at),
            (Some(_), Some(_)) => Value::bool(!deciding, at),
            _ => Value::derived(operator.as_str(), &[left, right], at).never_null(Type::Bool),
        };
        Ok(result.mark(sensitive))
    }
}

/// `-` before a value.
pub(super) fn negated(operand: &Value, at: &Origin) -> Result<Value, Fault> {
    let result = match want_number(operand, "-", at)? {
        Some(number) => Value::number(-number, at.clone()),
        None => Value::derived("-", std::slice::from_ref(operand), at.clone()).never_null(Type::Number),
    };
    Ok(result.mark(operand.is_sensitive()))
}

pub(super) fn unary_type(operator: UnaryOperator) -> Type {
    match operator {
        UnaryOperator::Neg => Type::Number,
        UnaryOperator::Not => Type::Bool,
    }
}

pub(super) fn result_type(operator: BinaryOperator) -> Type {
    match operator {
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Mul
        | BinaryOperator::Div
        | BinaryOperator::Mod => Type::Number,
        _ => Type::Bool,
    }
}

fn compute(operator: BinaryOperator, a: &BigDecimal, b: &BigDecimal, at: Origin) -> Result<Value, Fault> {
    let number = match operator {
        BinaryOperator::Less => return Ok(Value::bool(a < b, at)),
        BinaryOperator::LessEq => return Ok(Value::bool(a <= b, at)),
        BinaryOperator::Greater => return Ok(Value::bool(a > b, at)),
        BinaryOperator::GreaterEq => return Ok(Value::bool(a >= b, at)),
        BinaryOperator::Plus => number::add(a, b),
        BinaryOperator::Minus => number::subtract(a, b),
        BinaryOperator::Mul => number::multiply(a, b),
        BinaryOperator::Div if b.is_zero() => {
            return Err(at.fault(Code::HCL_EVALUATION, "division by zero"));
        }
        BinaryOperator::Div => number::divide(a, b),
        BinaryOperator::Mod => number::remainder(a, b),
        BinaryOperator::Eq | BinaryOperator::NotEq | BinaryOperator::And | BinaryOperator::Or => None,
    };
    match number {
        Some(number) => Ok(Value::number(number, at)),
        None => Err(at.fault(Code::HCL_EVALUATION, format!("the result of `{}` is too large", operator.as_str()))),
    }
}

/// The bool of an operand; `None` when it is unknown.
fn want_bool(operand: &Value, operator: &str, at: &Origin) -> Result<Option<bool>, Fault> {
    let made = convert(operand, &Type::Bool).map_err(|_| wrong(operand, operator, "a bool", at))?;
    match made.as_bool() {
        None if !made.is_unknown() => Err(wrong(operand, operator, "a bool", at)),
        made => Ok(made),
    }
}

/// The number of an operand; `None` when it is unknown.
fn want_number(operand: &Value, operator: &str, at: &Origin) -> Result<Option<BigDecimal>, Fault> {
    let made = convert(operand, &Type::Number).map_err(|_| wrong(operand, operator, "a number", at))?;
    match made.as_number() {
        None if !made.is_unknown() => Err(wrong(operand, operator, "a number", at)),
        made => Ok(made.cloned()),
    }
}

fn wrong(operand: &Value, operator: &str, wanted: &str, at: &Origin) -> Fault {
    at.fault(
        Code::HCL_TYPE,
        format!("an operand of `{operator}` must be {wanted}, not {}", article(operand.type_name())),
    )
}

/// Whether two values are the same, with the same types; `None` when that depends on something unknown.
pub(crate) fn equal(a: &Value, b: &Value) -> Option<bool> {
    match (a.kind(), b.kind()) {
        (Kind::Null, Kind::Null) => Some(true),
        (Kind::Null, Kind::Unknown(unknown)) | (Kind::Unknown(unknown), Kind::Null) => {
            unknown.is_never_null().then_some(false)
        }
        (Kind::Unknown(_), _) | (_, Kind::Unknown(_)) => {
            let (a, b) = (Type::of(a), Type::of(b));
            (a.is_whole() && b.is_whole() && a != b).then_some(false)
        }
        _ if a.is_same(b) && a.is_known_deep() => Some(true),
        (Kind::Seq(a_kind, a_elements), Kind::Seq(b_kind, b_elements)) => {
            if a_kind != b_kind || a_elements.len() != b_elements.len() || differ(a, b) {
                return Some(false);
            }
            all(a_elements.iter().zip(b_elements).map(|(a, b)| equal(a, b)))
        }
        (Kind::Map(a_kind, a_entries), Kind::Map(b_kind, b_entries)) => {
            if a_kind != b_kind || !a_entries.keys().eq(b_entries.keys()) || differ(a, b) {
                return Some(false);
            }
            all(a_entries.values().zip(b_entries.values()).map(|(a, b)| equal(a, b)))
        }
        _ => Some(a.equals(b)),
    }
}

/// Whether two collections have elements of different types.
fn differ(a: &Value, b: &Value) -> bool {
    match (a.inner_type(), b.inner_type()) {
        (Some(a), Some(b)) => a != b,
        _ => false,
    }
}

/// False if one is; else unknown if one is.
fn all(results: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = true;
    for result in results {
        match result {
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = false,
        }
    }
    known.then_some(true)
}
