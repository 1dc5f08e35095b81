//! Functions on times that are given to them. None reads a clock.

use jiff::SignedDuration;
use jiff::civil::{DateTime, Weekday};
use portcullis_model::Fault;

use super::Param::Text;
use super::{Call, Function, plain};
use crate::Value;

pub(super) const TABLE: &[Function] = &[
    plain("formatdate", &[Text, Text], formatdate).extra(2),
    plain("timeadd", &[Text, Text], timeadd),
    plain("timecmp", &[Text, Text], timecmp),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A local time and how many seconds it is ahead of UTC.
struct Moment {
    local: DateTime,
    ahead: i64,
}

/// `count` digits at the start of a text.
fn digits(rest: &mut &str, count: usize) -> Option<i64> {
    let (digits, after) = rest.split_at_checked(count)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *rest = after;
    digits.parse().ok()
}

fn skip(rest: &mut &str, wanted: char) -> Option<()> {
    *rest = rest.strip_prefix(wanted)?;
    Some(())
}

impl Moment {
    /// RFC 3339, strictly.
    fn parse(text: &str) -> Option<Moment> {
        let mut rest = text;
        let year = digits(&mut rest, 4)?;
        skip(&mut rest, '-')?;
        let month = digits(&mut rest, 2)?;
        skip(&mut rest, '-')?;
        let day = digits(&mut rest, 2)?;
        skip(&mut rest, 'T')?;
        let hour = digits(&mut rest, 2)?;
        skip(&mut rest, ':')?;
        let minute = digits(&mut rest, 2)?;
        skip(&mut rest, ':')?;
        let second = digits(&mut rest, 2)?;
        let nanosecond = fraction(&mut rest)?;
        let ahead = zone(rest)?;
        let local = DateTime::new(
            i16::try_from(year).ok()?,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
            i8::try_from(hour).ok()?,
            i8::try_from(minute).ok()?,
            i8::try_from(second).ok()?,
            nanosecond,
        );
        Some(Moment { local: local.ok()?, ahead })
    }

    fn utc(&self) -> Option<DateTime> {
        self.local.checked_sub(SignedDuration::from_secs(self.ahead)).ok()
    }

    fn rfc3339(&self) -> String {
        let (date, time) = (self.local.date(), self.local.time());
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}",
            date.year(),
            date.month(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            if self.ahead == 0 { "Z".to_owned() } else { self.offset(":") }
        )
    }

    fn offset(&self, between: &str) -> String {
        let sign = if self.ahead < 0 { '-' } else { '+' };
        let minutes = self.ahead.abs() / 60;
        format!("{sign}{:02}{between}{:02}", minutes / 60, minutes % 60)
    }
}

/// Nanoseconds; more digits are cut off.
fn fraction(rest: &mut &str) -> Option<i32> {
    let Some(after) = rest.strip_prefix('.') else { return Some(0) };
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    let (digits, after) = after.split_at_checked(end)?;
    *rest = after;
    let kept: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
    if digits.is_empty() { None } else { kept.parse().ok() }
}

fn zone(mut rest: &str) -> Option<i64> {
    if rest == "Z" {
        return Some(0);
    }
    let sign = if rest.starts_with('-') { -1 } else { 1 };
    rest = rest.strip_prefix(['+', '-'])?;
    let hours = digits(&mut rest, 2)?;
    skip(&mut rest, ':')?;
    let minutes = digits(&mut rest, 2)?;
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn moment(call: &Call<'_>, index: usize) -> Result<Moment, Fault> {
    let text = call.text(index)?;
    Moment::parse(text)
        .ok_or_else(|| call.bad(index, format!("must be an RFC 3339 time like `2026-01-31T12:00:00Z`, not `{text}`")))
}

fn timecmp(call: &Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (moment(call, 0)?.utc(), moment(call, 1)?.utc());
    call.decimal(a.cmp(&b) as i8)
}

fn timeadd(call: &Call<'_>) -> Result<Value, Fault> {
    let moment = moment(call, 0)?;
    let text = call.text(1)?;
    let nanoseconds =
        duration(text).ok_or_else(|| call.bad(1, format!("must be a duration like `1h30m`, not `{text}`")))?;
    let local = moment.local.checked_add(SignedDuration::from_nanos(nanoseconds));
    let local = local.map_err(|_| call.fault("the result is out of range"))?;
    call.string(Moment { local, ..moment }.rfc3339())
}

/// Go's `time.ParseDuration`, in nanoseconds.
fn duration(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(end)?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        rest = after;
        total = total.checked_add(part(number, unit)?)?;
    }
    Some(if negative { -total } else { total })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn part(number: &str, unit: &str) -> Option<i64> {
    let unit: i64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // In floating point, as Go has it; 18 digits are more than a nanosecond needs.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let rest = match fraction.parse::<i64>() {
        Ok(digits) => digits as f64 * (unit as f64 / 10f64.powi(fraction.len() as i32)),
        Err(_) => 0.0,
    };
    whole.checked_mul(unit)?.checked_add(rest as i64)
}

fn formatdate(call: &Call<'_>) -> Result<Value, Fault> {
    let moment = moment(call, 1)?;
    let mut rest = call.text(0)?;
    let mut made = String::new();
    while let Some(first) = rest.chars().next() {
        let end = if first == '\'' {
            let (text, end) = literal(rest).ok_or_else(|| call.bad(0, "has a `'` without end"))?;
            made.push_str(&text);
            end
        } else if first.is_ascii_alphabetic() {
            let end = rest.find(|c: char| c != first).unwrap_or(rest.len());
            let shown = verb(first, end, &moment);
            made.push_str(
                &shown.ok_or_else(|| call.bad(0, format!("has no such verb: `{}`", rest.get(..end).unwrap_or(""))))?,
            );
            end
        } else {
            made.push(first);
            first.len_utf8()
        };
        rest = rest.get(end..).unwrap_or("");
    }
    call.string(made)
}

/// Quoted text and where it ends. Two quotes are one.
fn literal(text: &str) -> Option<(String, usize)> {
    if text.starts_with("''") {
        return Some(("'".to_owned(), 2));
    }
    let mut made = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if chars.next_if(|(_, next)| *next == '\'').is_some() => made.push('\''),
            '\'' => return Some((made, at + 1)),
            c => made.push(c),
        }
    }
    None
}

fn verb(letter: char, count: usize, moment: &Moment) -> Option<String> {
    let (date, time) = (moment.local.date(), moment.local.time());
    let number = |value: i8| match count {
        1 => Some(value.to_string()),
        2 => Some(format!("{value:02}")),
        _ => None,
    };
    let name = |name: &str, short: usize, long: usize| match count {
        count if count == short => name.get(..3).map(str::to_owned),
        count if count == long => Some(name.to_owned()),
        _ => None,
    };
    match letter {
        'Y' if count == 2 => Some(format!("{:02}", date.year() % 100)),
        'Y' if count == 4 => Some(format!("{:04}", date.year())),
        'M' if count > 2 => name(MONTHS.get(usize::try_from(date.month() - 1).ok()?)?, 3, 4),
        'M' => number(date.month()),
        'D' => number(date.day()),
        'E' => name(weekday(date.weekday()), 3, 4),
        'h' => number(time.hour()),
        'H' => number((time.hour() + 11) % 12 + 1),
        'A' if count == 2 => Some(if time.hour() < 12 { "AM" } else { "PM" }.to_owned()),
        'a' if count == 2 => Some(if time.hour() < 12 { "am" } else { "pm" }.to_owned()),
        'm' => number(time.minute()),
        's' => number(time.second()),
        'Z' => match count {
            1 if moment.ahead == 0 => Some("Z".to_owned()),
            3 if moment.ahead == 0 => Some("UTC".to_owned()),
            1 | 5 => Some(moment.offset(":")),
            3 | 4 => Some(moment.offset("")),
            _ => None,
        },
        _ => None,
    }
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

/// A time as YAML 1.1 has it (`2026-1-31`, `2026-01-31 12:00:00.5`, RFC 3339 with short fields), in RFC 3339.
pub(super) fn yaml_time(text: &str) -> Option<String> {
    let mut rest = text;
    let year = digits(&mut rest, 4)?;
    skip(&mut rest, '-')?;
    let month = one_or_two(&mut rest)?;
    skip(&mut rest, '-')?;
    let day = one_or_two(&mut rest)?;
    let (mut clock, mut ahead) = ([0; 3], 0);
    if !rest.is_empty() {
        let zoned = !rest.starts_with(' ');
        rest = rest.strip_prefix(['T', 't', ' '])?;
        for (index, part) in clock.iter_mut().enumerate() {
            if index > 0 {
                skip(&mut rest, ':')?;
            }
            *part = one_or_two(&mut rest)?;
        }
        // The result has no fraction.
        fraction(&mut rest)?;
        ahead = if zoned { zone(rest)? } else { rest.is_empty().then_some(0)? };
    }
    let part = |value: i64| i8::try_from(value).ok();
    let [hour, minute, second] = clock;
    let year = i16::try_from(year).ok()?;
    let local = DateTime::new(year, part(month)?, part(day)?, part(hour)?, part(minute)?, part(second)?, 0);
    Some(Moment { local: local.ok()?, ahead }.rfc3339())
}

fn one_or_two(rest: &mut &str) -> Option<i64> {
    let count = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if count == 0 { None } else { digits(rest, count) }
}
