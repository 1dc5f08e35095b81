//! `format` and `formatlist`: the verbs of cty's `format`, which are those of C and Go.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, Signed};
use portcullis_model::Fault;
use unicode_segmentation::UnicodeSegmentation as _;

use super::Param::{Nullable, Text};
use super::{Call, Function, json, plain, shallow};
use crate::notation::{fixed, general, scientific};
use crate::types::{Type, convert};
use crate::value::Kind;
use crate::{Value, number};

/// Characters of width and digits of precision.
const WIDEST: usize = 10_000;

pub(super) const TABLE: &[Function] = &[
    plain("format", &[Text], format).rest(Nullable).extra(4),
    shallow("formatlist", &[Text], formatlist).rest(Nullable),
];

fn format(call: &Call<'_>) -> Result<Value, Fault> {
    let args: Vec<&Value> = call.from(1).iter().collect();
    call.string(formatted(call, call.text(0)?, &args)?)
}

/// Lists are gone through together; anything else is the same each time.
fn formatlist(call: &Call<'_>) -> Result<Value, Fault> {
    let mut count = None;
    for (index, value) in call.from(1).iter().enumerate() {
        if let Kind::Seq(_, elements) = value.kind() {
            match count {
                Some(count) if count != elements.len() => {
                    let message = format!("has {} elements, but there is a list with {count}", elements.len());
                    return Err(call.bad(index + 1, message));
                }
                _ => count = Some(elements.len()),
            }
        }
    }
    let mut made = Vec::new();
    // As in Terraform the mark of one is that of all.
    let marked = call.args.iter().any(Value::is_sensitive_deep);
    for row in 0..count.unwrap_or(1) {
        let args: Vec<&Value> = call
            .from(1)
            .iter()
            .map(|value| value.as_seq().and_then(|elements| elements.get(row)).unwrap_or(value))
            .collect();
        if args.iter().all(|value| value.is_known_deep()) {
            made.push(call.string(formatted(call, call.text(0)?, &args)?)?);
        } else {
            let parts: Vec<Value> = call.from(0).iter().take(1).cloned().chain(args.into_iter().cloned()).collect();
            made.push(Value::derived(call.name, &parts, call.at.clone()).never_null(Type::String));
        }
    }
    Ok(call.list(&Type::String, made)?.mark(marked))
}

/// What is written between `%` and the letter.
#[derive(Default)]
struct Verb {
    zero: bool,
    sharp: bool,
    plus: bool,
    minus: bool,
    space: bool,
    width: Option<usize>,
    precision: Option<usize>,
    letter: char,
}

fn formatted(call: &Call<'_>, text: &str, args: &[&Value]) -> Result<String, Fault> {
    let mut made = String::new();
    let mut rest = text;
    let (mut next, mut highest) = (0, 0);
    while let Some(at) = rest.find('%') {
        made.push_str(rest.get(..at).unwrap_or(""));
        rest = rest.get(at + 1..).unwrap_or("");
        if let Some(after) = rest.strip_prefix('%') {
            made.push('%');
            rest = after;
            continue;
        }
        let (verb, index, after) = verb(rest).ok_or_else(|| call.bad(0, "has a `%` that starts no verb"))?;
        rest = after;
        let index = index.unwrap_or(next);
        let value = args.get(index).ok_or_else(|| call.bad(0, format!("wants {} further arguments", index + 1)))?;
        highest = highest.max(index + 1);
        next = index + 1;
        let shown = show(&verb, value).map_err(|why| call.bad(0, format!("has a verb `%{}`: {why}", verb.letter)))?;
        call.budget.grow(shown.len())?;
        made.push_str(&shown);
    }
    made.push_str(rest);
    if highest < args.len() {
        return Err(call.fault(format!("{} arguments are given, but the format uses {highest}", args.len())));
    }
    Ok(made)
}

/// A verb, the index that it names, and what follows it.
fn verb(text: &str) -> Option<(Verb, Option<usize>, &str)> {
    let mut verb = Verb::default();
    let mut rest = text;
    loop {
        let flag = match rest.chars().next()? {
            '0' => &mut verb.zero,
            '#' => &mut verb.sharp,
            '+' => &mut verb.plus,
            '-' => &mut verb.minus,
            ' ' => &mut verb.space,
            _ => break,
        };
        *flag = true;
        rest = rest.get(1..)?;
    }
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        let (width, after) = digits(rest)?;
        (verb.width, rest) = (Some(width), after);
    }
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = digits(after)?;
        (verb.precision, rest) = (Some(precision), after);
    }
    let mut index = None;
    if let Some(after) = rest.strip_prefix('[') {
        let (number, after) = digits(after)?;
        index = Some(number.checked_sub(1)?);
        rest = after.strip_prefix(']')?;
    }
    verb.letter = rest.chars().next().filter(char::is_ascii_alphabetic)?;
    Some((verb, index, rest.get(1..)?))
}

fn digits(text: &str) -> Option<(usize, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let number = if number.is_empty() { 0 } else { number.parse().ok().filter(|number| *number <= WIDEST)? };
    Some((number, rest))
}

fn show(verb: &Verb, value: &Value) -> Result<String, String> {
    if value.is_null() && verb.letter != 'v' {
        return Err("null cannot be formatted".to_owned());
    }
    let as_number = || {
        let made = convert(value, &Type::Number)?;
        made.as_number().cloned().ok_or_else(|| "a number is required".to_owned())
    };
    match verb.letter {
        'v' => as_is(verb, value),
        't' => convert(value, &Type::Bool).map(|made| made.as_bool().unwrap_or_default().to_string()),
        's' | 'q' => {
            let text = value.text_form().ok_or("a string is required")?;
            // A precision of zero cuts nothing off, as in cty.
            let text = match verb.precision {
                Some(length) if length > 0 => text.graphemes(true).take(length).collect(),
                _ => text.to_string(),
            };
            if verb.letter == 's' {
                return Ok(pad(verb, text));
            }
            let mut quoted = String::new();
            json::quote(&text, &mut quoted);
            Ok(pad(verb, quoted))
        }
        'b' | 'd' | 'o' | 'x' | 'X' => {
            let number = number::integer(&as_number()?).ok_or("a whole number is required")?;
            Ok(integer(verb, &number))
        }
        'e' | 'E' | 'f' | 'g' | 'G' => Ok(fraction(verb, &as_number()?)),
        _ => Err("there is no such verb".to_owned()),
    }
}

fn as_is(verb: &Verb, value: &Value) -> Result<String, String> {
    let text = match value.kind() {
        Kind::String(text) if !verb.sharp => text.to_owned(),
        Kind::Number(number) if !verb.sharp => general(number, None, 'e'),
        _ => {
            let mut out = String::new();
            json::write(value, &mut out).map_err(|fault| fault.message().to_owned())?;
            out
        }
    };
    Ok(pad(verb, text))
}

fn pad(verb: &Verb, text: String) -> String {
    let missing = verb.width.unwrap_or(0).saturating_sub(text.graphemes(true).count());
    if missing == 0 {
        return text;
    }
    let fill = if verb.zero { "0" } else { " " }.repeat(missing);
    if verb.minus { text + &fill } else { fill + &text }
}

/// Sign and digits to the width, as Go's `fmt` does for numbers.
fn signed(verb: &Verb, negative: bool, prefix: &str, digits: &str) -> String {
    let sign = match () {
        () if negative => "-",
        () if verb.plus => "+",
        () if verb.space => " ",
        () => "",
    };
    let missing = verb.width.unwrap_or(0).saturating_sub(sign.len() + prefix.len() + digits.chars().count());
    let zeros = if verb.zero && !verb.minus { "0".repeat(missing) } else { String::new() };
    let made = format!("{sign}{prefix}{zeros}{digits}");
    let spaces = " ".repeat(verb.width.unwrap_or(0).saturating_sub(made.chars().count()));
    if verb.minus { made + &spaces } else { spaces + &made }
}

fn integer(verb: &Verb, number: &BigInt) -> String {
    let size = number.abs();
    let (radix, prefix) = match verb.letter {
        'b' => (2, "0b"),
        'o' => (8, "0"),
        'x' => (16, "0x"),
        'X' => (16, "0X"),
        _ => (10, ""),
    };
    let mut digits = size.to_str_radix(radix);
    if verb.letter == 'X' {
        digits = digits.to_uppercase();
    }
    if let Some(precision) = verb.precision {
        if precision == 0 && digits == "0" {
            return String::new();
        }
        digits = format!("{}{digits}", "0".repeat(precision.saturating_sub(digits.len())));
        // A precision takes the place of padding with zeros.
        let verb = Verb { zero: false, ..*verb };
        return signed(&verb, number.is_negative(), if verb.sharp { prefix } else { "" }, &digits);
    }
    signed(verb, number.is_negative(), if verb.sharp { prefix } else { "" }, &digits)
}

fn fraction(verb: &Verb, number: &BigDecimal) -> String {
    let size = number.abs();
    let digits = match verb.letter {
        'f' => fixed(&size, verb.precision.unwrap_or(6)),
        letter @ ('e' | 'E') => scientific(&size, verb.precision.unwrap_or(6), letter),
        'G' => general(&size, verb.precision, 'E'),
        _ => general(&size, verb.precision, 'e'),
    };
    signed(verb, number.is_negative(), "", &digits)
}
