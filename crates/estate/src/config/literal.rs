//! Values as HCL text, for files that a stack generates. What is not known is written as a call that stays
//! unknown where the file is read, so that it makes that unit inexact.

use portcullis_hcl::{Kind, Value};

/// A value as an expression.
pub(super) fn expression(value: &Value) -> String {
    if value.is_sensitive() {
        return format!("sensitive({})", expression(&value.clone().unmarked()));
    }
    match value.kind() {
        Kind::Null => "null".to_owned(),
        Kind::Bool(true) => "true".to_owned(),
        Kind::Bool(false) => "false".to_owned(),
        Kind::Number(_) => value.text_form().map(|text| text.to_string()).unwrap_or_default(),
        Kind::String(text) => string(text),
        Kind::Seq(_, elements) => {
            let elements: Vec<String> = elements.iter().map(expression).collect();
            format!("[{}]", elements.join(", "))
        }
        Kind::Map(_, entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(name, value)| format!("{} = {}", string(name), expression(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Kind::Unknown(unknown) => {
            format!("run_cmd({}, {})", string(unknown.reason()), string(&unknown.trace().to_string()))
        }
    }
}

/// A string between quotes.
pub(super) fn string(text: &str) -> String {
    format!("\"{}\"", content(text))
}

/// The inner part of a quoted string.
pub(super) fn content(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => made.push_str("\\\""),
            '\\' => made.push_str("\\\\"),
            '\n' => made.push_str("\\n"),
            '\r' => made.push_str("\\r"),
            '\t' => made.push_str("\\t"),
            '$' | '%' if rest.peek() == Some(&'{') => {
                made.push(c);
                made.push(c);
            }
            c if c.is_control() => made.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => made.push(c),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_hcl::{Budget, EmptyScope, File, Limits, Origin, evaluate};

    #[test]
    fn what_is_written_reads_back_as_it_was() {
        let json = serde_json::json!({
            "a b": "q\" \\ ${x} %{y} $${z}\n\t\u{1}é", "n": 1.5, "l": [1, null, true], "m": {"${k}": {}}
        });
        let value = crate::json::to_value(&json, &Origin::built_in());
        let text = format!("x = {}\n", expression(&value));
        let file = File::parse("x.hcl", text.as_bytes(), &Limits::default()).unwrap();
        let attribute = file.body().get_attribute("x").unwrap();
        let read = evaluate(&attribute.value, &file, &EmptyScope, &Budget::new(&Limits::default())).unwrap();
        assert_eq!(crate::json::from_value(&read).unwrap(), json, "{text}");
    }
}
