//! JSON, CSV, Base64, URLs, character sets.

use std::io::Read as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use encoding_rs::Encoding;
use flate2::read::GzDecoder;
use portcullis_model::Fault;

use super::Param::{Nullable, Text};
use super::{Call, Function, json, plain};
use crate::Value;
use crate::types::Type;
use crate::value::Entries;

/// Bits after the last whole byte do not matter to Go.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&STANDARD_ALPHABET, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Bytes that a compressed text may expand to.
const INFLATED: u64 = 16 << 20;

pub(super) const TABLE: &[Function] = &[
    plain("base64decode", &[Text], |call| {
        let bytes = unbase64(call)?;
        utf8(call, bytes)
    }),
    plain("base64encode", &[Text], |call| call.string(STANDARD.encode(call.text(0)?))),
    plain("base64gunzip", &[Text], gunzip),
    plain("base64gzip", &[Text], gzip),
    plain("csvdecode", &[Text], csvdecode),
    plain("jsondecode", &[Text], |call| json::read(call.text(0)?, call)),
    plain("jsonencode", &[Nullable], |call| {
        let mut out = String::new();
        json::write(call.arg(0)?, &mut out)?;
        call.string(out)
    }),
    plain("textdecodebase64", &[Text, Text], textdecode),
    plain("textencodebase64", &[Text, Text], textencode),
    plain("urldecode", &[Text], urldecode),
    plain("urlencode", &[Text], |call| call.string(urlencode(call.text(0)?))),
];

fn unbase64(call: &Call<'_>) -> Result<Vec<u8>, Fault> {
    // Go's decoder leaves out line ends.
    let text: String = call.text(0)?.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    LENIENT.decode(text).map_err(|_| call.bad(0, "must be Base64"))
}

fn utf8(call: &Call<'_>, bytes: Vec<u8>) -> Result<Value, Fault> {
    call.string(String::from_utf8(bytes).map_err(|_| call.bad(0, "does not decode to UTF-8"))?)
}

/// The bytes depend on the compressor, and Go's is not ours: another text would be a change to all that
/// is made from it.
fn gzip(call: &Call<'_>) -> Result<Value, Fault> {
    Ok(Value::derived("the compressed text of `base64gzip`", &call.args, call.at.clone()))
}

fn gunzip(call: &Call<'_>) -> Result<Value, Fault> {
    let packed = unbase64(call)?;
    let mut bytes = Vec::new();
    let read = GzDecoder::new(packed.as_slice()).take(INFLATED + 1).read_to_end(&mut bytes);
    read.map_err(|_| call.bad(0, "does not decode to gzip"))?;
    if bytes.len() as u64 > INFLATED {
        return Err(call.bad(0, "expands to more than 16 MiB"));
    }
    utf8(call, bytes)
}

/// Go's `url.QueryEscape`.
fn urlencode(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => made.push('+'),
            b'-' | b'_' | b'.' | b'~' => made.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => made.push(char::from(byte)),
            byte => made.push_str(&format!("%{byte:02X}")),
        }
    }
    made
}

fn urldecode(call: &Call<'_>) -> Result<Value, Fault> {
    let mut bytes = call.text(0)?.bytes();
    let mut made = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'+' => made.push(b' '),
            b'%' => {
                let code = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                made.push(code.ok_or_else(|| call.bad(0, "has a `%` without two digits"))?);
            }
            byte => made.push(byte),
        }
    }
    utf8(call, made)
}

/// A character set, by the names that IANA lists. Sets that the web reads in another way than IANA has them
/// (ISO-8859-1, US-ASCII) are written here; the others are those of the WHATWG.
enum Charset {
    Utf16(Order),
    /// ISO-8859-1 and, below 128, US-ASCII.
    Single(u32),
    Other(&'static Encoding),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Big,
    Little,
    /// By its mark, or big.
    Marked,
}

/// Names that mean the same to IANA and to the WHATWG.
const SHARED: &[&str] = &[
    "UTF-8",
    "UTF8",
    "BIG5",
    "EUC-JP",
    "EUC-KR",
    "GB18030",
    "GBK",
    "IBM866",
    "ISO-2022-JP",
    "ISO-8859-2",
    "ISO-8859-3",
    "ISO-8859-4",
    "ISO-8859-5",
    "ISO-8859-6",
    "ISO-8859-7",
    "ISO-8859-8",
    "ISO-8859-10",
    "ISO-8859-13",
    "ISO-8859-14",
    "ISO-8859-15",
    "ISO-8859-16",
    "KOI8-R",
    "KOI8-U",
    "MACINTOSH",
    "SHIFT_JIS",
    "WINDOWS-1250",
    "WINDOWS-1251",
    "WINDOWS-1252",
    "WINDOWS-1253",
    "WINDOWS-1254",
    "WINDOWS-1255",
    "WINDOWS-1256",
    "WINDOWS-1257",
    "WINDOWS-1258",
];

fn charset(call: &Call<'_>) -> Result<Charset, Fault> {
    let name = call.text(1)?.to_ascii_uppercase();
    Ok(match name.as_str() {
        "UTF-16LE" => Charset::Utf16(Order::Little),
        "UTF-16BE" => Charset::Utf16(Order::Big),
        "UTF-16" => Charset::Utf16(Order::Marked),
        "ISO-8859-1" | "LATIN1" => Charset::Single(256),
        "US-ASCII" | "ASCII" => Charset::Single(128),
        name if SHARED.contains(&name) => {
            let found = Encoding::for_label(name.as_bytes());
            Charset::Other(found.ok_or_else(|| Fault::internal(format!("no character set {name}")))?)
        }
        _ => {
            let message = format!("argument 2 of `{}` names a character set that is not supported", call.name);
            let fault = call.arg(1)?.fault(portcullis_model::Code::HCL_UNSUPPORTED, message);
            return Err(fault.remedy("Use UTF-8 or UTF-16, or one of those that browsers know."));
        }
    })
}

fn textencode(call: &Call<'_>) -> Result<Value, Fault> {
    const MARK: [u8; 2] = [0xfe, 0xff];
    let text = call.text(0)?;
    let units = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let bytes = match charset(call)? {
        Charset::Utf16(Order::Little) => Some(units(u16::to_le_bytes)),
        Charset::Utf16(Order::Big) => Some(units(u16::to_be_bytes)),
        Charset::Utf16(Order::Marked) => Some(MARK.into_iter().chain(units(u16::to_be_bytes)).collect()),
        Charset::Single(limit) => {
            text.chars().map(|c| u8::try_from(u32::from(c)).ok().filter(|_| u32::from(c) < limit)).collect()
        }
        Charset::Other(encoding) => {
            let (bytes, _, unmappable) = encoding.encode(text);
            (!unmappable).then(|| bytes.into_owned())
        }
    };
    let bytes = bytes.ok_or_else(|| call.bad(0, "has characters that the character set does not have"))?;
    call.string(STANDARD.encode(bytes))
}

fn textdecode(call: &Call<'_>) -> Result<Value, Fault> {
    let bytes = unbase64(call)?;
    let units = |bytes: &[u8], order: fn([u8; 2]) -> u16| -> Option<String> {
        let pairs = bytes.chunks(2).map(|pair| <[u8; 2]>::try_from(pair).ok().map(order));
        String::from_utf16(&pairs.collect::<Option<Vec<u16>>>()?).ok()
    };
    let text = match charset(call)? {
        Charset::Utf16(Order::Little) => units(&bytes, u16::from_le_bytes),
        Charset::Utf16(Order::Big) => units(&bytes, u16::from_be_bytes),
        Charset::Utf16(Order::Marked) => match bytes.as_slice() {
            [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
            [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
            all => units(all, u16::from_be_bytes),
        },
        Charset::Single(limit) => {
            let fits = bytes.iter().all(|byte| u32::from(*byte) < limit);
            fits.then(|| bytes.iter().map(|byte| char::from(*byte)).collect())
        }
        Charset::Other(encoding) => {
            encoding.decode_without_bom_handling_and_without_replacement(&bytes).map(|text| text.into_owned())
        }
    };
    call.string(text.ok_or_else(|| call.bad(0, "is not text of that character set"))?)
}

fn csvdecode(call: &Call<'_>) -> Result<Value, Fault> {
    let mut records = csv(call)?.into_iter();
    let header = records.next().ok_or_else(|| call.bad(0, "has no header line"))?;
    let mut names = std::collections::BTreeSet::new();
    if let Some(name) = header.iter().find(|name| !names.insert((*name).clone())) {
        return Err(call.bad(0, format!("has two columns `{name}`")));
    }
    let mut rows = Vec::new();
    for (index, record) in records.enumerate() {
        if record.len() != header.len() {
            return Err(call.bad(0, format!("has another number of fields in record {}", index + 2)));
        }
        let mut entries = Entries::new();
        for (name, field) in header.iter().zip(record) {
            call.budget.grow(name.len() + field.len() + 64)?;
            entries.insert(name.as_str().into(), Value::string(field, call.at.clone()));
        }
        rows.push(Value::object(entries, call.at.clone()));
    }
    let columns = header.iter().map(|name| (name.as_str().into(), Type::String)).collect();
    call.list(&Type::Object(Arc::new(columns)), rows)
}

/// RFC 4180 as Go's `encoding/csv` reads it: empty lines are skipped, `\r\n` is one line end.
fn csv(call: &Call<'_>) -> Result<Vec<Vec<String>>, Fault> {
    let text = call.text(0)?.replace("\r\n", "\n");
    call.budget.spend(text.len() as u64)?;
    let bad = |what: &str| call.bad(0, format!("is not valid CSV: {what}"));
    let mut records = Vec::new();
    let mut record: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        if record.is_empty() && chars.next_if_eq(&'\n').is_some() {
            continue;
        }
        let mut field = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next() {
                    Some('"') if chars.next_if_eq(&'"').is_some() => field.push('"'),
                    Some('"') => break,
                    Some(c) => field.push(c),
                    None => return Err(bad("a quoted field does not end")),
                }
            }
            if !matches!(chars.peek(), None | Some(',' | '\n')) {
                return Err(bad("there is text after a quoted field"));
            }
        } else {
            while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '\n')) {
                if c == '"' {
                    return Err(bad("there is a quote in a field without quotes"));
                }
                field.push(c);
            }
        }
        record.push(field);
        match chars.next() {
            // A comma at the very end has an empty field after it.
            Some(',') if chars.peek().is_none() => record.push(String::new()),
            Some(',') => continue,
            _ => {}
        }
        records.push(std::mem::take(&mut record));
    }
    Ok(records)
}
