//! Function calls: arguments and their expansion, the host's functions, the pure ones, and those that
//! decide themselves whether an argument is evaluated.

use hcl_edit::expr::{Expression, FuncCall};
use portcullis_model::{Code, Fault};

use super::{Context, suggest};
use crate::types::Type;
use crate::value::article;
use crate::{Budget, File, Origin, Scope, Value, functions};

/// The functions of this module.
const LAZY: [&str; 3] = ["try", "can", "templatestring"];

impl Context<'_> {
    pub(super) fn call(&self, call: &FuncCall, at: &Origin) -> Result<Value, Fault> {
        let name = call.name.name.value().as_str();
        // `core::` is how Terraform names its own functions.
        if let Some(first) = call.name.namespace.first()
            && (first.value().as_str() != "core" || call.name.namespace.len() > 1)
        {
            return Err(at.fault(Code::HCL_UNSUPPORTED, format!("functions of providers are not supported: `{name}`")));
        }
        match name {
            "try" => return self.try_each(call, at),
            "can" => return self.can(call, at),
            _ => {}
        }
        let (args, sensitive) = self.arguments(call, at)?;
        if call.args.expand_final()
            && let Some(last) = args.last()
            && last.is_unknown()
            && args.len() == call.args.len()
        {
            return Ok(Value::derived(&format!("{name}(...)"), &args, at.clone()));
        }
        self.apply(name, &args, at).map(|value| value.mark(sensitive))
    }

    /// The arguments with the last one expanded, and whether that one is sensitive. One that is unknown stays
    /// as it is.
    fn arguments(&self, call: &FuncCall, at: &Origin) -> Result<(Vec<Value>, bool), Fault> {
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(self.eval(arg)?);
        }
        if !call.args.expand_final() {
            return Ok((args, false));
        }
        let Some(last) = args.pop() else { return Ok((args, false)) };
        let sensitive = last.is_sensitive();
        if last.is_unknown() {
            args.push(last);
            return Ok((args, sensitive));
        }
        let Some(elements) = last.as_seq() else {
            let found = article(last.type_name());
            return Err(at.fault(Code::HCL_TYPE, format!("what is expanded by `...` must be a list, not {found}")));
        };
        self.budget.grow(elements.len().saturating_mul(size_of::<Value>()))?;
        args.extend(elements.iter().map(|element| element.clone().mark(sensitive)));
        Ok((args, sensitive))
    }

    fn apply(&self, name: &str, args: &[Value], at: &Origin) -> Result<Value, Fault> {
        if let Some(value) = self.scope.call(name, args, at, self.budget)? {
            return Ok(value);
        }
        if name == "templatestring" {
            return self.template_string(args, at);
        }
        if let Some(result) = functions::call(name, args, at, self.budget) {
            return result;
        }
        let fault = at.fault(Code::HCL_UNKNOWN_FUNCTION, format!("there is no function `{name}`"));
        // They were once, and Terraform says the same.
        match name {
            "list" => return Err(fault.remedy("Write `[…]`, or `tolist([…])`.")),
            "map" => return Err(fault.remedy("Write `{…}`, or `tomap({…})`.")),
            _ => {}
        }
        let mut names: Vec<&str> = functions::names().chain(LAZY).collect();
        names.extend(self.scope.function_names());
        Err(suggest::add(fault, name, names))
    }

    /// `try`: the first argument that can be evaluated.
    fn try_each(&self, call: &FuncCall, at: &Origin) -> Result<Value, Fault> {
        if call.args.expand_final() {
            return self.try_expanded(call, at);
        }
        let mut failed = Vec::new();
        for (index, arg) in call.args.iter().enumerate() {
            match self.eval(arg) {
                Ok(value) if value.is_known_deep() => return Ok(value),
                Ok(value) => return self.try_unknown(value, call.args.iter().skip(index + 1), at),
                Err(fault) if is_catchable(&fault) => {
                    self.caught(&fault)?;
                    failed.push(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        if failed.is_empty() {
            return Err(at.fault(Code::HCL_EVALUATION, "`try` needs at least one argument"));
        }
        let fault = at.fault(Code::HCL_EVALUATION, "no argument of `try` can be evaluated");
        Err(failed.into_iter().fold(fault, |fault, failed| match failed.place() {
            Some(place) => fault.note(format!("{place}: {}", failed.message())),
            None => fault.note(failed.message()),
        }))
    }

    /// `try(list...)`: all elements have a value, so the first one is the result.
    fn try_expanded(&self, call: &FuncCall, at: &Origin) -> Result<Value, Fault> {
        let mut args = self.arguments(call, at)?.0;
        if args.is_empty() {
            return Err(at.fault(Code::HCL_EVALUATION, "`try` needs at least one argument"));
        }
        Ok(args.swap_remove(0))
    }

    /// `try` with an argument that is not known yet, and so may still fail: the arguments after it are part
    /// of what the unknown is made of.
    fn try_unknown<'e>(
        &self,
        value: Value,
        others: impl Iterator<Item = &'e Expression>,
        at: &Origin,
    ) -> Result<Value, Fault> {
        let mut parts = vec![value];
        for other in others {
            parts.push(self.attempt(other)?);
        }
        Ok(Value::derived("try", &parts, at.clone()))
    }

    /// `can`: whether the argument can be evaluated.
    fn can(&self, call: &FuncCall, at: &Origin) -> Result<Value, Fault> {
        let (Some(arg), 1) = (call.args.get(0), call.args.len()) else {
            return Err(at.fault(Code::HCL_EVALUATION, "`can` takes one argument"));
        };
        match self.eval(arg) {
            Ok(value) if value.is_known_deep() => Ok(Value::bool(true, at.clone())),
            Ok(value) => Ok(Value::derived("can", &[value], at.clone()).never_null(Type::Bool)),
            Err(fault) if is_catchable(&fault) => {
                self.caught(&fault)?;
                Ok(Value::bool(false, at.clone()))
            }
            Err(fault) => Err(fault),
        }
    }
}

/// `templatestring`: a template that is a value, with variables of its own.
impl Context<'_> {
    fn template_string(&self, args: &[Value], at: &Origin) -> Result<Value, Fault> {
        let [template, variables] = args else {
            let message = format!("`templatestring` takes 2 arguments, not {}", args.len());
            return Err(at.fault(Code::HCL_EVALUATION, message));
        };
        if template.is_unknown() || variables.is_unknown() {
            return Ok(Value::derived("templatestring", args, at.clone()));
        }
        variables.want_map("argument 2 of `templatestring`")?;
        let text = template.want_string("argument 1 of `templatestring`")?;
        let marked = template.is_sensitive() || variables.is_sensitive();
        let level = self.budget.enter().map_err(|fault| fault.at(at.place()))?;
        let rendered = File::plain(at.file().path(), text.as_bytes(), self.budget.limits()).and_then(|file| {
            let scope = Variables { values: variables, outer: self.scope };
            super::render(&file, &scope, self.budget)
        });
        drop(level);
        match rendered {
            Ok(value) => Ok(value.with_origin(at.clone()).mark(marked)),
            // A place in the template would be one in a file that nobody has.
            Err(fault) => Err(at.fault(fault.code(), format!("in the template: {}", fault.message()))),
        }
    }
}

/// The variables that a template is given, and no others.
struct Variables<'a> {
    values: &'a Value,
    outer: &'a dyn Scope,
}

impl Scope for Variables<'_> {
    fn resolve(&self, root: &str, _: &[&str], at: &Origin, _: &Budget) -> Result<Option<(Value, usize)>, Fault> {
        Ok(self.values.get(root).map(|value| (value.clone().with_origin(at.clone()), 0)))
    }

    fn call(&self, name: &str, args: &[Value], at: &Origin, budget: &Budget) -> Result<Option<Value>, Fault> {
        self.outer.call(name, args, at, budget)
    }

    fn variable_names(&self) -> Vec<&str> {
        self.values.as_map().map(|entries| entries.keys().map(|key| &**key).collect()).unwrap_or_default()
    }
}

/// Whether `try` may go on after the fault: the value cannot be made of what is there. What is over a
/// limit, forbidden, or not understood by us would be there for the real tool, and stays a fault.
pub(super) fn is_catchable(fault: &Fault) -> bool {
    matches!(
        fault.code(),
        Code::HCL_EVALUATION
            | Code::HCL_TYPE
            | Code::HCL_UNKNOWN_VARIABLE
            | Code::HCL_SYNTAX
            | Code::FILE_MISSING
            | Code::INCLUDE_MISSING
    )
}
