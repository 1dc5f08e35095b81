//! Functions on numbers.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode};
use portcullis_model::Fault;

use super::Param::{Any, Number, Seq};
use super::{Call, Function, plain};
use crate::types::{Type, convert};
use crate::{Value, number};

pub(super) const TABLE: &[Function] = &[
    plain("abs", &[Number], |call| call.decimal(call.number(0)?.abs())),
    plain("ceil", &[Number], |call| call.decimal(call.number(0)?.with_scale_round(0, RoundingMode::Ceiling))),
    plain("floor", &[Number], |call| call.decimal(call.number(0)?.with_scale_round(0, RoundingMode::Floor))),
    plain("log", &[Number, Number], |call| {
        call.float(number::to_f64(call.number(0)?).ln() / number::to_f64(call.number(1)?).ln())
    }),
    plain("max", &[Number], |call| extreme(call, |a, b| a > b)).rest(Number),
    plain("min", &[Number], |call| extreme(call, |a, b| a < b)).rest(Number),
    plain("parseint", &[Any, Number], parseint),
    plain("pow", &[Number, Number], |call| {
        call.float(number::to_f64(call.number(0)?).powf(number::to_f64(call.number(1)?)))
    }),
    plain("range", &[Number], range).rest(Number),
    plain("signum", &[Number], |call| call.decimal(call.whole(0)?.signum())),
    plain("sum", &[Seq], sum),
];

fn extreme(call: &Call<'_>, better: fn(&BigDecimal, &BigDecimal) -> bool) -> Result<Value, Fault> {
    let mut best = call.number(0)?;
    for index in 1..call.args.len() {
        let next = call.number(index)?;
        if better(next, best) {
            best = next;
        }
    }
    call.decimal(best.clone())
}

fn parseint(call: &Call<'_>) -> Result<Value, Fault> {
    let radix = u32::try_from(call.whole(1)?).ok().filter(|radix| (2..=62).contains(radix));
    let radix = radix.ok_or_else(|| call.bad(1, "must be between 2 and 62"))?;
    let text = call.text(0)?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut made = BigInt::from(0);
    if unsigned.is_empty() || unsigned.len() > 600 {
        return Err(call.bad(0, format!("must be a whole number of base {radix}")));
    }
    for c in unsigned.chars() {
        // As in Go: below 37 case does not matter, above lower case comes first.
        let digit = match c {
            '0'..='9' => u32::from(c) - u32::from('0'),
            'a'..='z' => u32::from(c) - u32::from('a') + 10,
            'A'..='Z' if radix <= 36 => u32::from(c) - u32::from('A') + 10,
            'A'..='Z' => u32::from(c) - u32::from('A') + 36,
            _ => u32::MAX,
        };
        if digit >= radix {
            return Err(call.bad(0, format!("must be a whole number of base {radix}")));
        }
        made = made * radix + digit;
    }
    call.decimal(BigDecimal::from(if text.starts_with('-') { -made } else { made }))
}

fn range(call: &Call<'_>) -> Result<Value, Fault> {
    let numbers: Vec<BigDecimal> =
        (0..call.args.len()).map(|index| call.number(index).cloned()).collect::<Result<_, _>>()?;
    let zero = BigDecimal::from(0);
    let one = |start: &BigDecimal, end: &BigDecimal| BigDecimal::from(if end < start { -1 } else { 1 });
    let (start, end, step) = match numbers.as_slice() {
        [end] => (zero.clone(), end.clone(), one(&zero, end)),
        [start, end] => (start.clone(), end.clone(), one(start, end)),
        [start, end, step] => (start.clone(), end.clone(), step.clone()),
        _ => return Err(call.fault("takes at most 3 arguments")),
    };
    if step == zero {
        return Err(call.fault("the step must not be zero"));
    }
    if (end < start) != (step < zero) && end != start {
        return Err(call.fault("the step leads away from the end"));
    }
    let mut made = Vec::new();
    let mut next = start;
    while if step > zero { next < end } else { next > end } {
        // cty's own limit.
        if made.len() >= 1024 {
            return Err(call.fault("makes more than 1024 numbers"));
        }
        call.budget.spend(number::cost(&next, &step))?;
        made.push(Value::number(next.clone(), call.at.clone()));
        next = number::add(&next, &step).ok_or_else(|| call.fault("the numbers are too large"))?;
    }
    call.list(&Type::Number, made)
}

fn sum(call: &Call<'_>) -> Result<Value, Fault> {
    let elements = call.seq(0)?;
    if elements.is_empty() {
        return Err(call.bad(0, "must not be empty"));
    }
    let mut total = BigDecimal::from(0);
    for element in elements {
        let number = convert(element, &Type::Number).ok().and_then(|made| made.as_number().cloned());
        let number = number.ok_or_else(|| call.bad(0, "must be a list of numbers"))?;
        call.budget.spend(number::cost(&total, &number))?;
        total = number::add(&total, &number).ok_or_else(|| call.fault("the result has too many digits"))?;
    }
    call.decimal(total)
}
