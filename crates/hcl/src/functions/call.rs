//! A call with its checked arguments: what the body of a function sees, and how it makes results and faults.

use bigdecimal::BigDecimal;
use portcullis_model::{Code, Fault};
use unicode_segmentation::UnicodeSegmentation as _;

use super::{result, weigh};
use crate::types::Type;
use crate::value::Entries;
use crate::{Budget, Origin, Value, number};

/// A call with its checked arguments.
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) args: Vec<Value>,
    pub(super) at: &'a Origin,
    pub(super) budget: &'a Budget,
}

impl Call<'_> {
    /// A fault of the call as a whole.
    pub(super) fn fault(&self, message: impl std::fmt::Display) -> Fault {
        self.at.fault(Code::HCL_EVALUATION, format!("`{}`: {message}", self.name))
    }

    /// A fault that lies in one argument.
    pub(super) fn bad(&self, index: usize, message: impl std::fmt::Display) -> Fault {
        let message = format!("argument {} of `{}` {message}", index + 1, self.name);
        match self.args.get(index) {
            Some(value) => value.fault(Code::HCL_EVALUATION, message),
            None => self.at.fault(Code::HCL_EVALUATION, message),
        }
    }

    pub(super) fn arg(&self, index: usize) -> Result<&Value, Fault> {
        self.args.get(index).ok_or_else(|| Fault::internal(format!("`{}` has no argument {index}", self.name)))
    }

    pub(super) fn text(&self, index: usize) -> Result<&str, Fault> {
        let value = self.arg(index)?;
        value.as_str().ok_or_else(|| value.wrong(&self.what(index), "a string"))
    }

    /// A text that is taken apart into what a reader calls characters, which takes longer than to go through it.
    pub(super) fn graphemes(&self, index: usize) -> Result<Vec<&str>, Fault> {
        let text = self.text(index)?;
        self.budget.spend(text.len() as u64 / 4)?;
        Ok(text.graphemes(true).collect())
    }

    pub(super) fn number(&self, index: usize) -> Result<&BigDecimal, Fault> {
        let value = self.arg(index)?;
        value.as_number().ok_or_else(|| value.wrong(&self.what(index), "a number"))
    }

    /// A whole number.
    pub(super) fn whole(&self, index: usize) -> Result<i64, Fault> {
        number::whole(self.number(index)?).ok_or_else(|| self.bad(index, "must be a whole number"))
    }

    pub(super) fn seq(&self, index: usize) -> Result<&[Value], Fault> {
        let value = self.arg(index)?;
        value.as_seq().ok_or_else(|| value.wrong(&self.what(index), "a list"))
    }

    pub(super) fn map(&self, index: usize) -> Result<&Entries, Fault> {
        let value = self.arg(index)?;
        value.as_map().ok_or_else(|| value.wrong(&self.what(index), "a map"))
    }

    pub(super) fn what(&self, index: usize) -> String {
        format!("argument {} of `{}`", index + 1, self.name)
    }

    pub(super) fn from(&self, index: usize) -> &[Value] {
        self.args.get(index..).unwrap_or(&[])
    }

    pub(super) fn string(&self, text: impl AsRef<str>) -> Result<Value, Fault> {
        self.budget.grow(text.as_ref().len())?;
        Ok(Value::string(text.as_ref(), self.at.clone()))
    }

    pub(super) fn bool(&self, value: bool) -> Result<Value, Fault> {
        Ok(Value::bool(value, self.at.clone()))
    }

    pub(super) fn decimal(&self, value: impl Into<BigDecimal>) -> Result<Value, Fault> {
        Ok(Value::number(value, self.at.clone()))
    }

    pub(super) fn float(&self, value: f64) -> Result<Value, Fault> {
        let number = number::from_f64(value).ok_or_else(|| self.fault("the result is no finite number"))?;
        self.decimal(number)
    }

    pub(super) fn tuple(&self, elements: Vec<Value>) -> Result<Value, Fault> {
        self.grow(elements.len())?;
        Ok(Value::tuple(elements, self.at.clone()))
    }

    /// A list of elements of that type.
    pub(super) fn list(&self, of: &Type, elements: Vec<Value>) -> Result<Value, Fault> {
        self.grow(elements.len())?;
        Ok(Value::list_of(of, elements, self.at.clone()))
    }

    /// The type of the elements of an argument: a collection has one, those of a tuple may have one in common.
    pub(super) fn element(&self, index: usize) -> Result<Type, Fault> {
        let value = self.arg(index)?;
        Ok(match value.inner_type() {
            Some(of) => of.clone(),
            None => Type::of_elements(value.as_seq().unwrap_or(&[]).iter()),
        })
    }

    pub(super) fn strings<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Result<Value, Fault> {
        let made: Result<Vec<Value>, Fault> = texts.into_iter().map(|text| self.string(text)).collect();
        self.list(&Type::String, made?)
    }

    pub(super) fn object(&self, entries: Entries) -> Result<Value, Fault> {
        self.grow(entries.len())?;
        Ok(Value::object(entries, self.at.clone()))
    }

    /// An unknown because something inside an argument is.
    pub(super) fn open(&self) -> Value {
        result::refined(self.name, &self.args, Value::derived(self.name, &self.args, self.at.clone()))
    }

    /// Before a walk through the whole of a value.
    pub(super) fn weigh(&self, value: &Value) -> Result<(), Fault> {
        weigh(value, self.budget)
    }

    pub(super) fn grow(&self, elements: usize) -> Result<(), Fault> {
        self.budget.spend(elements as u64)?;
        self.budget.grow(elements.saturating_mul(64))
    }
}
