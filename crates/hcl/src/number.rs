//! Arithmetic as Terraform does it: binary floating point of 512 bits, shown as the shortest decimal that
//! reads back as the same number.
//!
//! A number is kept as that shortest decimal, so nothing is lost between operations: `1 / 3 * 3` is 1 and
//! `1.1 * 1.1` ends in a 1 at the 154th place, as in Terraform. Never used for money.

use bigdecimal::num_bigint::{BigInt, BigUint, Sign};
use bigdecimal::{BigDecimal, ToPrimitive, Zero};

/// Bits of a mantissa: `big.Float` precision in cty.
const PRECISION: u64 = 512;
/// The largest power of ten, up or down. Terraform has no such limit; without one `1e999999999` would
/// be a gigabyte of digits.
const EXPONENT: i64 = 1_000;
/// Decimal digits that 512 bits always hold exactly.
const EXACT_DIGITS: u64 = 150;

/// A binary floating point number: `mantissa × 2^exponent`.
struct Float {
    negative: bool,
    mantissa: BigUint,
    exponent: i64,
}

/// The number, if it is whole and fits: what most numbers are.
fn small(number: &BigDecimal) -> Option<i64> {
    let (digits, scale) = number.as_bigint_and_scale();
    let digits = digits.to_i64()?;
    match scale {
        0 => Some(digits),
        -18..0 => digits.checked_mul(10i64.checked_pow(u32::try_from(-scale).ok()?)?),
        _ => None,
    }
}

/// Both numbers, if they are whole and fit.
fn both_small(a: &BigDecimal, b: &BigDecimal) -> Option<(i64, i64)> {
    Some((small(a)?, small(b)?))
}

/// The same number with as few digits as it takes. Most need no look at their digits.
pub(crate) fn normal(number: BigDecimal) -> BigDecimal {
    let is_plain = number.fractional_digit_count() == 0 && small(&number).is_some_and(|number| number % 10 != 0);
    if is_plain { number } else { number.normalized() }
}

/// `a + b`. `None` when the result is over the limits.
pub(crate) fn add(a: &BigDecimal, b: &BigDecimal) -> Option<BigDecimal> {
    if let Some(sum) = both_small(a, b).and_then(|(a, b)| a.checked_add(b)) {
        return Some(sum.into());
    }
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => finish_integer(a + b),
        _ => finish(&Float::of(a).add(&Float::of(b))),
    }
}

/// `a - b`.
pub(crate) fn subtract(a: &BigDecimal, b: &BigDecimal) -> Option<BigDecimal> {
    add(a, &-b)
}

/// `a * b`.
pub(crate) fn multiply(a: &BigDecimal, b: &BigDecimal) -> Option<BigDecimal> {
    if let Some(product) = both_small(a, b).and_then(|(a, b)| a.checked_mul(b)) {
        return Some(product.into());
    }
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => finish_integer(a * b),
        _ => finish(&Float::of(a).multiply(&Float::of(b))),
    }
}

/// `a / b`. `None` also for a division by zero.
pub(crate) fn divide(a: &BigDecimal, b: &BigDecimal) -> Option<BigDecimal> {
    if b.is_zero() {
        return None;
    }
    if let (Some(a), Some(b)) = (integer(a), integer(b))
        && (&a % &b).is_zero()
    {
        return finish_integer(a / b);
    }
    finish(&Float::of(a).divide(&Float::of(b)))
}

/// `a % b`, with the sign of `a`; `a` itself when `b` is zero, as cty has it.
pub(crate) fn remainder(a: &BigDecimal, b: &BigDecimal) -> Option<BigDecimal> {
    if b.is_zero() {
        return Some(a.clone());
    }
    if let Some(rest) = both_small(a, b).and_then(|(a, b)| a.checked_rem(b)) {
        return Some(rest.into());
    }
    if let (Some(a), Some(b)) = (integer(a), integer(b)) {
        return finish_integer(a % b);
    }
    let (a, b) = (Float::of(a), Float::of(b));
    let whole = a.divide(&b).truncated();
    finish(&a.add(&whole.multiply(&b).negated()))
}

/// What a division costs, in steps: one that leaves a rest has 512 bits of digits.
pub(crate) fn division_cost(a: &BigDecimal, b: &BigDecimal) -> u64 {
    match both_small(a, b) {
        Some((a, b)) if b != 0 && a % b == 0 => 1,
        _ => 100 + cost(a, b),
    }
}

/// What arithmetic on two numbers costs, in steps: next to nothing for whole ones of common size, and ever more
/// the further their digits are from the point.
pub(crate) fn cost(a: &BigDecimal, b: &BigDecimal) -> u64 {
    let far = a.fractional_digit_count().unsigned_abs().max(b.fractional_digit_count().unsigned_abs());
    match far {
        0..=6 if a.is_integer() && b.is_integer() => 1,
        far => 20 + (far / 16) * (far / 16),
    }
}

/// Reads a decimal number. `None` when it is none, or over the limits.
pub(crate) fn parse(text: &str) -> Option<BigDecimal> {
    if text.len() <= 18
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(number) = text.parse::<i64>()
    {
        return Some(normal(number.into()));
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let scale = i64::try_from(fraction.len()).ok()?;
    if exponent.abs() > EXPONENT || scale > EXPONENT || whole.len() as u64 > EXPONENT as u64 {
        return None;
    }
    let digits = BigInt::parse_bytes(format!("{whole}{fraction}").as_bytes(), 10)?;
    let digits = if text.starts_with('-') { -digits } else { digits };
    let number = BigDecimal::new(digits, scale - exponent).normalized();
    if number.digits() <= EXACT_DIGITS { Some(number) } else { finish(&Float::of(&number)) }
}

/// From a 64-bit float, as the decimal that `big.Float` writes. `None` for infinity and NaN.
pub(crate) fn from_f64(number: f64) -> Option<BigDecimal> {
    if !number.is_finite() {
        return None;
    }
    let bits = number.to_bits();
    let exponent = i64::try_from((bits >> 52) & 0x7ff).ok()?;
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) = match exponent {
        0 => (fraction, -1074),
        exponent => (fraction | (1 << 52), exponent - 1075),
    };
    let float = Float { negative: number.is_sign_negative(), mantissa: BigUint::from(mantissa), exponent };
    float.shortest(53)
}

/// To a 64-bit float, for functions that Terraform computes so.
pub(crate) fn to_f64(number: &BigDecimal) -> f64 {
    number.to_f64().unwrap_or(f64::NAN)
}

/// The number without exponent, as Terraform writes it into strings.
pub(crate) fn text(number: &BigDecimal) -> String {
    number.normalized().to_plain_string()
}

/// All decimal digits of the binary number that stands behind the shortest decimal.
pub(crate) fn exact(number: &BigDecimal) -> BigDecimal {
    let float = Float::of(number);
    let (digits, scale) = match float.exponent {
        exponent if exponent >= 0 => (float.mantissa << u64::try_from(exponent).unwrap_or(0), 0),
        exponent => (float.mantissa * power(5, -exponent), -exponent),
    };
    let digits = BigInt::from(digits);
    BigDecimal::new(if float.negative { -digits } else { digits }, scale)
}

/// The whole number, if it is one and fits.
pub(crate) fn whole(number: &BigDecimal) -> Option<i64> {
    integer(number).and_then(|number| number.to_i64())
}

/// The whole number, if it is one.
pub(crate) fn integer(number: &BigDecimal) -> Option<BigInt> {
    if !number.is_integer() {
        return None;
    }
    Some(number.with_scale(0).into_bigint_and_exponent().0)
}

fn finish_integer(number: BigInt) -> Option<BigDecimal> {
    if number.bits() <= PRECISION {
        return Some(BigDecimal::from(number).normalized());
    }
    finish(&Float::of(&BigDecimal::from(number)))
}

fn finish(number: &Float) -> Option<BigDecimal> {
    number.shortest(PRECISION).filter(|number| number.fractional_digit_count().abs() <= 2 * EXPONENT)
}

fn power(base: u32, exponent: i64) -> BigUint {
    BigUint::from(base).pow(u32::try_from(exponent).unwrap_or(0))
}

fn bits(number: &BigUint) -> i64 {
    i64::try_from(number.bits()).unwrap_or(i64::MAX)
}

impl Float {
    /// The nearest float.
    fn of(number: &BigDecimal) -> Float {
        let (digits, scale) = number.as_bigint_and_exponent();
        let negative = digits.sign() == Sign::Minus;
        let digits = digits.into_parts().1;
        if scale <= 0 {
            return Float::rounded(negative, digits * power(10, -scale), 0);
        }
        Float::ratio(negative, digits, &power(10, scale), 0)
    }

    /// `over / under × 2^exponent`, rounded.
    fn ratio(negative: bool, over: BigUint, under: &BigUint, exponent: i64) -> Float {
        // Enough bits that what is cut off decides the rounding only by being zero or not.
        let shift = (PRECISION as i64 + 2 - bits(&over) + bits(under)).max(0);
        let over = over << u64::try_from(shift).unwrap_or(0);
        let quotient = &over / under;
        let sticky = u32::from(!(over % under).is_zero());
        Float::rounded(negative, (quotient << 1u32) + sticky, exponent - shift - 1)
    }

    /// To 512 bits, half to even.
    fn rounded(negative: bool, mantissa: BigUint, exponent: i64) -> Float {
        let excess = bits(&mantissa) - PRECISION as i64;
        if excess <= 0 {
            return Float { negative, mantissa, exponent };
        }
        let cut = u64::try_from(excess).unwrap_or(0);
        let mut kept = &mantissa >> cut;
        let rest = &mantissa - (&kept << cut);
        let half = BigUint::from(1u8) << (cut - 1);
        if rest > half || (rest == half && kept.bit(0)) {
            kept += 1u32;
        }
        Float { negative, mantissa: kept, exponent: exponent + excess }
    }

    fn negated(mut self) -> Float {
        self.negative = !self.negative;
        self
    }

    fn signed(&self, exponent: i64) -> BigInt {
        let shift = u64::try_from(self.exponent - exponent).unwrap_or(0);
        let sign = if self.negative { Sign::Minus } else { Sign::Plus };
        BigInt::from_biguint(sign, &self.mantissa << shift)
    }

    fn add(&self, other: &Float) -> Float {
        let exponent = self.exponent.min(other.exponent);
        let sum = self.signed(exponent) + other.signed(exponent);
        let negative = sum.sign() == Sign::Minus;
        Float::rounded(negative, sum.into_parts().1, exponent)
    }

    fn multiply(&self, other: &Float) -> Float {
        let negative = self.negative != other.negative;
        Float::rounded(negative, &self.mantissa * &other.mantissa, self.exponent + other.exponent)
    }

    fn divide(&self, other: &Float) -> Float {
        let negative = self.negative != other.negative;
        Float::ratio(negative, self.mantissa.clone(), &other.mantissa, self.exponent - other.exponent)
    }

    /// Towards zero.
    fn truncated(self) -> Float {
        if self.exponent >= 0 {
            return self;
        }
        let cut = u64::try_from(-self.exponent).unwrap_or(0);
        Float { negative: self.negative, mantissa: self.mantissa >> cut, exponent: 0 }
    }

    /// The shortest decimal that rounds to this float of so many bits: `roundShortest` of Go's math/big.
    fn shortest(&self, precision: u64) -> Option<BigDecimal> {
        if self.mantissa.is_zero() {
            return Some(BigDecimal::zero());
        }
        let shift = precision as i64 + 1 - bits(&self.mantissa);
        let mantissa = &self.mantissa << u64::try_from(shift).ok()?;
        let exponent = self.exponent - shift;
        if exponent.abs() > 4 * EXPONENT + 4 * PRECISION as i64 {
            return None;
        }
        let (digits, point) = decimal(&mantissa, exponent);
        let (lower, _) = decimal(&(&mantissa - 1u32), exponent);
        let (upper, _) = decimal(&(&mantissa + 1u32), exponent);
        let kept = shorten(&digits, &lower, &upper, !mantissa.bit(1));
        let scale = i64::try_from(kept.length).ok()? - point;
        let number = BigInt::parse_bytes(digits.get(..kept.length)?, 10)? + u32::from(kept.up);
        Some(BigDecimal::new(if self.negative { -number } else { number }, scale).normalized())
    }
}

/// How many digits are kept, and whether the last is rounded up.
struct Kept {
    length: usize,
    up: bool,
}

fn shorten(digits: &[u8], lower: &[u8], upper: &[u8], inclusive: bool) -> Kept {
    for (at, digit) in digits.iter().enumerate() {
        let below = lower.get(at).copied().unwrap_or(b'0');
        let above = upper.get(at).copied().unwrap_or(b'0');
        let length = at + 1;
        let down = below != *digit || (inclusive && length == lower.len());
        let up = *digit != above && (inclusive || digit + 1 < above || length < upper.len());
        match (down, up) {
            (true, true) => return Kept { length, up: rounds_up(digits, length) },
            (true, false) => return Kept { length, up: false },
            (false, true) => return Kept { length, up: true },
            (false, false) => {}
        }
    }
    Kept { length: digits.len(), up: false }
}

/// Half to even, over the digits that are cut off.
fn rounds_up(digits: &[u8], length: usize) -> bool {
    let (kept, cut) = digits.split_at(length.min(digits.len()));
    match cut {
        [] => false,
        [b'5'] => kept.last().is_some_and(|last| (last - b'0') % 2 == 1),
        [first, ..] => *first >= b'5',
    }
}

/// The exact decimal digits without trailing zeros, and where the decimal point is in them.
fn decimal(mantissa: &BigUint, exponent: i64) -> (Vec<u8>, i64) {
    let (digits, scale) = if exponent >= 0 {
        (mantissa << u64::try_from(exponent).unwrap_or(0), 0)
    } else {
        (mantissa * power(5, -exponent), -exponent)
    };
    let mut digits = digits.to_str_radix(10).into_bytes();
    let point = i64::try_from(digits.len()).unwrap_or(i64::MAX) - scale;
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    (digits, point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> BigDecimal {
        parse(text).unwrap()
    }

    /// Each expected text was printed by `terraform console`.
    #[test]
    fn results_are_those_of_terraform() {
        let third = divide(&n("1"), &n("3")).unwrap();
        assert_eq!(text(&third), format!("0.{}5", "3".repeat(154)));
        assert_eq!(text(&multiply(&third, &n("3")).unwrap()), "1");
        assert_eq!(text(&divide(&n("2"), &n("3")).unwrap()), format!("0.{}7", "6".repeat(153)));
        assert_eq!(text(&multiply(&n("1.1"), &n("1.1")).unwrap()), format!("1.21{}1", "0".repeat(151)));
        assert_eq!(text(&add(&n("0.1"), &n("0.2")).unwrap()), "0.3");
        assert_eq!(text(&add(&n("0.1"), &n("0.7")).unwrap()), "0.8");
        assert_eq!(text(&divide(&n("7"), &n("0.1")).unwrap()), "70");
        assert_eq!(text(&remainder(&n("-7"), &n("3")).unwrap()), "-1");
        assert_eq!(text(&remainder(&n("5.5"), &n("2")).unwrap()), "1.5");
        assert_eq!(text(&remainder(&n("5"), &n("0")).unwrap()), "5");
        assert_eq!(text(&n("1e50")), format!("1{}", "0".repeat(50)));
    }

    #[test]
    fn what_is_no_number_or_too_long_is_refused() {
        for text in ["", "-", ".", "1_0", "0x1", " 1", "1 ", "inf", "NaN", "1e", "1e99999", "1e999999999999999999999"] {
            assert!(parse(text).is_none(), "{text}");
        }
        assert!(divide(&n("1"), &n("0")).is_none());
        let mut big = n("1e900");
        for _ in 0..3 {
            match multiply(&big, &big) {
                Some(next) => big = next,
                None => return,
            }
        }
        panic!("grows without end");
    }
}
