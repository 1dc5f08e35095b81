//! The pure functions of Terraform.
//!
//! Each family is a file with a table; a [`Function`] states its parameters, so that conversion, null,
//! unknown and sensitive arguments are handled in one place ([`Function::call`]) and the bodies see known
//! values of the right kind. Functions that read files, the clock or the environment are the host's; those
//! whose result is another one each time (`timestamp`, `uuid`, `bcrypt`) yield an unknown.

mod call;
mod cidr;
mod collection;
mod convert;
mod digest;
mod encoding;
mod format;
mod json;
mod mapping;
mod moment;
mod numeric;
mod regular;
mod result;
mod sets;
mod text;
mod yaml;
mod yaml_emitter;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use portcullis_model::{Code, Fault};

use crate::types::{self, Type};
use crate::value::{SeqKind, article};
use crate::{Budget, Kind, Origin, Value};

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Param {
    /// Anything but null.
    Any,
    /// Anything, also null.
    Nullable,
    /// A string; numbers and bools are converted.
    Text,
    /// A number; strings are converted.
    Number,
    /// A list, tuple or set.
    Seq,
    /// A list or tuple. Not looked at after an argument that is not known.
    Ordered,
    /// A list, or a tuple or set that can be made one: its elements get one type.
    List,
    /// A list, tuple or set of strings.
    Texts,
    /// A list of bools.
    Bools,
    /// A map or object.
    Map,
    /// A map, object or null. Looked at also where an argument after it may be anything.
    Keyed,
}

/// Which arguments must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// All of them, with all that is in them. The result is sensitive if anything in them is.
    Deep,
    /// Only the arguments themselves; their elements keep their marks and may be unknown.
    Shallow,
    /// Not even they: the function itself looks at unknowns and marks.
    Raw,
}

use call::Call;

type Body = fn(&Call<'_>) -> Result<Value, Fault>;

/// A function: its parameters and its body.
pub(crate) struct Function {
    name: &'static str,
    params: &'static [Param],
    rest: Option<Param>,
    depth: Depth,
    /// Steps that a call costs besides, whatever its arguments are.
    extra: u64,
    body: Body,
}

const fn plain(name: &'static str, params: &'static [Param], body: Body) -> Function {
    Function { name, params, rest: None, depth: Depth::Deep, extra: 0, body }
}

const fn shallow(name: &'static str, params: &'static [Param], body: Body) -> Function {
    Function { name, params, rest: None, depth: Depth::Shallow, extra: 0, body }
}

impl Function {
    const fn rest(mut self, rest: Param) -> Self {
        self.rest = Some(rest);
        self
    }

    const fn extra(mut self, steps: u64) -> Self {
        self.extra = steps;
        self
    }

    const fn depth(mut self, depth: Depth) -> Self {
        self.depth = depth;
        self
    }
}

static FUNCTIONS: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    let families: [&'static [Function]; 13] = [
        cidr::TABLE,
        collection::TABLE,
        convert::TABLE,
        digest::TABLE,
        encoding::TABLE,
        format::TABLE,
        mapping::TABLE,
        moment::TABLE,
        numeric::TABLE,
        regular::TABLE,
        sets::TABLE,
        text::TABLE,
        yaml::TABLE,
    ];
    families.into_iter().flatten().map(|function| (function.name, function)).collect()
});

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    // `core::name` is another way to write a name; it is namespaced and refused before.
    FUNCTIONS.get(name).copied()
}

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.keys().copied()
}

impl Function {
    /// Calls it.
    pub(crate) fn call(&self, args: Vec<Value>, at: &Origin, budget: &Budget) -> Result<Value, Fault> {
        self.check_count(args.len(), at)?;
        budget.spend(CALL + self.extra)?;
        if self.depth == Depth::Raw {
            return (self.body)(&Call { name: self.name, args, at, budget });
        }
        // Of the others, what is in a collection is not looked at, or the body pays for it.
        let walked = |value: &&Value| self.depth == Depth::Deep || value.as_str().is_some();
        args.iter().filter(walked).try_for_each(|value| weigh(value, budget))?;
        // With an argument that may be anything, the kinds of the others are not looked at, as in cty.
        let anything = |value: &Value| matches!(value.kind(), Kind::Unknown(unknown) if *unknown.of() == Type::Any);
        let open_ended = args.iter().any(anything);
        let taken: Vec<Value> = args
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let param = self.params.get(index).copied().or(self.rest).unwrap_or(Param::Nullable);
                let param = match param {
                    Param::Seq | Param::Map | Param::Ordered if open_ended => Param::Any,
                    Param::Ordered if args.iter().take(index).any(Value::is_unknown) => Param::Any,
                    Param::Keyed if args.iter().take(index).any(anything) => Param::Nullable,
                    param => param,
                };
                self.take(index, value.clone().unmarked(), param)
            })
            .collect::<Result<_, _>>()?;
        let open = |value: &Value| match self.depth {
            Depth::Deep => !value.is_known_deep(),
            _ => value.is_unknown(),
        };
        if args.iter().any(open) {
            // Shallow ones have not been weighed, and all of them goes into the trace.
            args.iter().try_for_each(|value| weigh(value, budget))?;
            result::check(self.name, &args)
                .map_err(|why| at.fault(Code::HCL_TYPE, format!("`{}`: {why}", self.name)))?;
            return Ok(result::refined(self.name, &args, Value::derived(self.name, &args, at.clone())));
        }
        let marked = args.iter().any(|value| match self.depth {
            Depth::Deep => value.is_sensitive_deep(),
            _ => value.is_sensitive(),
        });
        let made = (self.body)(&Call { name: self.name, args: taken, at, budget })?;
        Ok(made.mark(marked))
    }

    fn check_count(&self, given: usize, at: &Origin) -> Result<(), Fault> {
        let wanted = self.params.len();
        if given == wanted || (given > wanted && self.rest.is_some()) {
            return Ok(());
        }
        let least = if self.rest.is_some() { "at least " } else { "" };
        let plural = if wanted == 1 { "" } else { "s" };
        let message = format!("`{}` takes {least}{wanted} argument{plural}, not {given}", self.name);
        Err(at.fault(Code::HCL_EVALUATION, message))
    }

    fn take(&self, index: usize, value: Value, param: Param) -> Result<Value, Fault> {
        if value.is_null() && !matches!(param, Param::Nullable | Param::Keyed) {
            let message = format!("argument {} of `{}` must not be null", index + 1, self.name);
            return Err(value.fault(Code::HCL_EVALUATION, message));
        }
        let wrong = |wanted: &str| {
            let what = format!("argument {} of `{}`", index + 1, self.name);
            match value.kind() {
                // It is not known, and yet it does not fit.
                Kind::Unknown(unknown) if *unknown.of() != Type::Any => {
                    let found = article(unknown.of().name());
                    value.fault(Code::HCL_TYPE, format!("{what} must be {wanted}, not {found}"))
                }
                _ => value.wrong(&what, wanted),
            }
        };
        let to = |wanted: Type, name: &str| types::convert(&value, &wanted).map_err(|_| wrong(name));
        match param {
            Param::Any | Param::Nullable => Ok(value),
            Param::Text => to(Type::String, "a string"),
            Param::Number => to(Type::Number, "a number"),
            Param::Texts if value.as_seq().is_some() => match value.kind() {
                Kind::Seq(SeqKind::Set, _) => to(Type::Set(Arc::new(Type::String)), "a list of strings"),
                _ => to(Type::List(Arc::new(Type::String)), "a list of strings"),
            },
            Param::List if value.as_seq().is_some() => to(Type::List(Arc::new(Type::Any)), "a list of one type"),
            Param::Texts if may_be(&value, |of| types::can_convert(of, &Type::List(Arc::new(Type::String)))) => {
                Ok(value)
            }
            Param::Bools if may_be(&value, |of| types::can_convert(of, &Type::List(Arc::new(Type::Bool)))) => Ok(value),
            Param::Seq | Param::List if may_be(&value, is_seq) => Ok(value),
            Param::Ordered if may_be(&value, is_ordered) => Ok(value),
            Param::Ordered if matches!(value.kind(), Kind::Seq(SeqKind::List | SeqKind::Tuple, _)) => Ok(value),
            Param::Ordered => Err(wrong("a list")),
            Param::Bools if value.as_seq().is_some() => to(Type::List(Arc::new(Type::Bool)), "a list of bools"),
            Param::Map | Param::Keyed if may_be(&value, is_keyed) => Ok(value),
            // Null of a map, an object, or of no type.
            Param::Keyed if value.is_null() && (Type::of(&value) == Type::Any || is_keyed(&Type::of(&value))) => {
                Ok(value)
            }
            Param::Keyed if value.as_map().is_some() => Ok(value),
            Param::Seq if value.as_seq().is_some() => Ok(value),
            Param::Map if value.as_map().is_some() => Ok(value),
            Param::Seq | Param::List | Param::Texts | Param::Bools => Err(wrong("a list")),
            Param::Map | Param::Keyed => Err(wrong("a map")),
        }
    }
}

/// Whether an unknown can turn out to be of a kind.
fn may_be(value: &Value, kind: fn(&Type) -> bool) -> bool {
    matches!(value.kind(), Kind::Unknown(unknown) if *unknown.of() == Type::Any || kind(unknown.of()))
}

fn is_seq(of: &Type) -> bool {
    matches!(of, Type::List(_) | Type::Set(_) | Type::Tuple(_))
}

fn is_ordered(of: &Type) -> bool {
    matches!(of, Type::List(_) | Type::Tuple(_))
}

fn is_keyed(of: &Type) -> bool {
    matches!(of, Type::Map(_) | Type::Object(_))
}

/// Spends what a walk through a value costs in which something is made of each part.
fn weigh(value: &Value, budget: &Budget) -> Result<(), Fault> {
    budget.spend(value.cost().saturating_mul(WALK))
}

/// Steps for each part of a value that a function goes through: it is converted, looked at, and made again.
const WALK: u64 = 2;
/// Steps that a call costs by itself.
const CALL: u64 = 3;

/// Calls the function of that name, if there is one.
pub(crate) fn call(name: &str, args: &[Value], at: &Origin, budget: &Budget) -> Option<Result<Value, Fault>> {
    find(name).map(|function| function.call(args.to_vec(), at, budget))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn run(name: &str, args: &[Value]) -> Result<Value, Fault> {
        call(name, args, &Origin::built_in(), &Budget::new(&Limits::default())).unwrap()
    }

    fn text(text: &str) -> Value {
        Value::string(text, Origin::built_in())
    }

    fn unknown() -> Value {
        Value::unknown("dependency.vpc.outputs.id", Origin::built_in())
    }

    fn list(elements: &[Value]) -> Value {
        Value::tuple(elements.to_vec(), Origin::built_in())
    }

    fn map(entries: &[(&str, Value)]) -> Value {
        let entries = entries.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
        Value::object(entries, Origin::built_in())
    }

    #[test]
    fn what_does_not_depend_on_an_unknown_is_known() {
        let open = list(&[text("a"), unknown()]);
        let entries = map(&[("a", text("x")), ("b", unknown())]);
        let shown = |name: &str, args: &[Value]| format!("{:?}", run(name, args).unwrap());
        let gap = "(unknown: dependency.vpc.outputs.id)";
        assert_eq!(shown("length", std::slice::from_ref(&open)), "2");
        assert_eq!(shown("keys", std::slice::from_ref(&entries)), r#"["a", "b"]"#);
        assert_eq!(shown("values", std::slice::from_ref(&entries)), format!(r#"["x", {gap}]"#));
        assert_eq!(shown("lookup", &[entries.clone(), text("a"), unknown()]), r#""x""#);
        assert_eq!(shown("lookup", &[entries.clone(), text("b")]), gap);
        assert_eq!(shown("coalesce", &[text("a"), unknown()]), r#""a""#);
        assert_eq!(shown("coalesce", &[text(""), unknown()]), gap);
        assert_eq!(shown("concat", &[open.clone(), list(&[text("c")])]), format!(r#"["a", {gap}, "c"]"#));
        assert_eq!(shown("merge", &[entries, map(&[("b", text("y"))])]), r#"{"a": "x", "b": "y"}"#);
        assert_eq!(shown("contains", &[open.clone(), text("a")]), "true");
        assert_eq!(shown("element", &[open.clone(), text("0")]), r#""a""#);
        for (name, args) in [
            ("join", vec![text(","), open.clone()]),
            ("jsonencode", vec![open.clone()]),
            ("format", vec![text("%s"), unknown()]),
            ("contains", vec![open, text("z")]),
            ("sha256", vec![unknown()]),
            ("timestamp", vec![]),
        ] {
            assert!(run(name, &args).unwrap().is_unknown(), "{name}");
        }
    }

    #[test]
    fn an_unknown_result_of_something_sensitive_is_sensitive() {
        let result = run("join", &[text(","), list(&[unknown(), text("a").mark(true)])]).unwrap();
        assert!(result.is_unknown() && result.is_sensitive());
    }

    #[test]
    fn a_fault_names_function_and_argument() {
        let fault = run("split", &[text(","), list(&[])]).unwrap_err();
        assert_eq!(
            (fault.code(), fault.message()),
            (Code::HCL_TYPE, "argument 2 of `split` must be a string, not a tuple")
        );
        assert_eq!(run("upper", &[]).unwrap_err().message(), "`upper` takes 1 argument, not 0");
        assert!(call("no_such", &[], &Origin::built_in(), &Budget::new(&Limits::default())).is_none());
    }

    #[test]
    fn what_grows_without_end_is_refused() {
        let doubled = |value: Value| list(&[value.clone(), value]);
        let shared = (0..60).fold(text("x"), |value, _| doubled(value));
        let aliases: String = (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
        let nested = "[".repeat(100_000);
        for (name, args) in [
            ("jsonencode", vec![shared]),
            ("yamldecode", vec![text(&format!("a0: &a0 x\n{aliases}"))]),
            ("yamldecode", vec![text(&nested)]),
            ("jsondecode", vec![text(&nested)]),
            ("indent", vec![text("100000000"), text(&"\n".repeat(1000))]),
            ("format", vec![text("%99999999s"), text("x")]),
            ("regex", vec![text("((a{1000}){1000}){1000}"), text("a")]),
            ("setproduct", vec![list(&vec![text("x"); 3000]); 3]),
        ] {
            assert!(run(name, &args).is_err(), "{name}");
        }
    }
}
