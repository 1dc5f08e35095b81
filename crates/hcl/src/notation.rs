//! Numbers as text in the notations of C: `%e`, `%f`, `%g`.
//!
//! As Go's `big.Float` writes them: digits are cut from the binary value of 512 bits, so that 2.55 with one
//! place is 2.5.

use std::num::NonZeroU64;

use bigdecimal::{BigDecimal, RoundingMode, Signed, Zero};

use crate::number;

/// `%f`: that many places.
pub(crate) fn fixed(number: &BigDecimal, places: usize) -> String {
    let scale = i64::try_from(places).unwrap_or(0);
    number::exact(number).with_scale_round(scale, RoundingMode::HalfEven).to_plain_string()
}

/// `%e`: one digit before the point, that many after it.
pub(crate) fn scientific(number: &BigDecimal, places: usize, letter: char) -> String {
    let (digits, exponent) = significant(&number.abs(), Some(places + 1));
    let padded = format!("{digits}{}", "0".repeat((places + 1).saturating_sub(digits.len())));
    sign(number) + &with_exponent(&padded, exponent, letter)
}

/// `%g`: the shorter notation, with that many significant digits; without, as many as it takes.
pub(crate) fn general(number: &BigDecimal, precision: Option<usize>, letter: char) -> String {
    let (digits, exponent) = significant(&number.abs(), precision.map(|precision| precision.max(1)));
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let bound = match precision.map(|precision| i64::try_from(precision.max(1)).unwrap_or(i64::MAX)) {
        Some(precision) if precision > count && count > exponent => count,
        Some(precision) => precision,
        None => 6,
    };
    if exponent < -4 || exponent >= bound {
        return sign(number) + &with_exponent(&digits, exponent, letter);
    }
    let plain = BigDecimal::new(digits.parse().unwrap_or_default(), count - 1 - exponent);
    sign(number) + &plain.to_plain_string()
}

fn sign(number: &BigDecimal) -> String {
    if number.is_negative() { "-".to_owned() } else { String::new() }
}

/// Significant digits without trailing zeros, and the exponent of the first one.
fn significant(size: &BigDecimal, count: Option<usize>) -> (String, i64) {
    if size.is_zero() {
        return ("0".to_owned(), 0);
    }
    let rounded = match count.and_then(|count| NonZeroU64::new(count as u64)) {
        Some(count) => number::exact(size).with_precision_round(count, RoundingMode::HalfEven),
        None => size.clone(),
    };
    let (digits, scale) = rounded.normalized().as_bigint_and_exponent();
    let digits = digits.to_string();
    let exponent = i64::try_from(digits.len()).unwrap_or(0) - 1 - scale;
    (digits, exponent)
}

fn with_exponent(digits: &str, exponent: i64, letter: char) -> String {
    let (first, rest) = digits.split_at(1.min(digits.len()));
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}{letter}{sign}{:02}", exponent.abs())
}
