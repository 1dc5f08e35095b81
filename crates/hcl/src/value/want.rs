//! Asking a value for what a caller needs, with a fault that names the place otherwise.

use std::sync::Arc;

use portcullis_model::{Code, Fault};

use super::{Data, Entries, Value};

/// Asking for a kind of value, with a fault that names `what` and the value's place otherwise.
impl Value {
    /// A fault at the value's place.
    pub fn fault(&self, code: Code, message: impl Into<String>) -> Fault {
        self.origin.fault(code, message)
    }

    /// `PC-0406`: `what` must be `wanted`; `PC-0418` when the value is unknown.
    pub fn wrong(&self, what: &str, wanted: &str) -> Fault {
        if let Data::Unknown(unknown) = &self.data {
            return self
                .fault(Code::INEXACT, format!("{what} is not known without running something: {}", unknown.reason))
                .note(format!("the unknown comes from {}", unknown.origin.place()));
        }
        self.fault(Code::HCL_TYPE, format!("{what} must be {wanted}, not {}", article(self.type_name())))
    }

    /// A known string; numbers and bools are converted as Terraform does.
    pub fn want_string(&self, what: &str) -> Result<Arc<str>, Fault> {
        self.text_form().ok_or_else(|| self.wrong(what, "a string"))
    }

    /// A known bool; `"true"`, `"1"`, `"false"` and `"0"` are converted, as in Terraform.
    pub fn want_bool(&self, what: &str) -> Result<bool, Fault> {
        match &self.data {
            Data::Bool(value) => Ok(*value),
            Data::String(text) if matches!(&**text, "true" | "1") => Ok(true),
            Data::String(text) if matches!(&**text, "false" | "0") => Ok(false),
            _ => Err(self.wrong(what, "a bool")),
        }
    }

    /// The elements of a known list, tuple or set. The elements may be unknown.
    pub fn want_seq(&self, what: &str) -> Result<&[Value], Fault> {
        self.as_seq().ok_or_else(|| self.wrong(what, "a list"))
    }

    /// The elements of a list, tuple or set as known strings.
    pub fn want_strings(&self, what: &str) -> Result<Vec<String>, Fault> {
        self.want_seq(what)?
            .iter()
            .map(|element| element.want_string(&format!("each element of {what}")).map(|text| text.to_string()))
            .collect()
    }

    /// The entries of a known map or object. The entries may be unknown.
    pub fn want_map(&self, what: &str) -> Result<&Entries, Fault> {
        self.as_map().ok_or_else(|| self.wrong(what, "a map"))
    }

    /// The string that a known string, number or bool becomes in a template; `None` for anything else.
    pub fn text_form(&self) -> Option<Arc<str>> {
        match &self.data {
            Data::String(text) => Some(Arc::clone(text)),
            Data::Bool(value) => Some(if *value { "true" } else { "false" }.into()),
            Data::Number(number) => Some(crate::number::text(number).into()),
            _ => None,
        }
    }
}

/// The noun with its article, for messages: `a list`, `an object`.
pub fn article(noun: &str) -> String {
    match noun {
        "null" => noun.to_owned(),
        _ if noun.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {noun}"),
        _ => format!("a {noun}"),
    }
}
