//! `argv` of a custom action: literals, and the places where a caller's values go.
//!
//! A value is known when a run is asked for, long after layers were merged. So `param.x` may stand only where it can
//! be seen without evaluating anything: as an element of its own, in a string, and in `when`. What is made of it is a
//! list of texts in which `${param.x}` is a value and `$$` a dollar sign; layers replace it as they do any list.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_hcl::hcl_edit::expr::{Expression, ObjectKey, TraversalOperator};
use portcullis_hcl::hcl_edit::template::Element;
use portcullis_hcl::{Budget, Origin, Scope, Value, references};
use portcullis_model::id::quoted;
use portcullis_model::parameter::command::ARGUMENTS_MAX;
use portcullis_model::parameter::{Argument, Command, Part, is_name};
use portcullis_model::{Code, Fault};

use crate::read::{Evaluator, text, wrong};

/// The variable that holds a caller's values.
const PARAM: &str = "param";
/// Around a parameter's name in a text while it is evaluated. No literal may hold them.
const OPEN: char = '\u{f0000}';
const CLOSE: char = '\u{f0001}';
/// Longest text of one argument, in bytes.
const TEXT_MAX_BYTES: usize = 4096;

const SHAPE: &str =
    "Write `param.NAME` as an argument, inside of one as in `\"--name=${param.NAME}\"`, or after `when =`.";

/// The list, with its values' places in it.
///
/// # Errors
/// `PC-0504` and `PC-0505` where it is no such list, and those of evaluating what is in it.
pub(crate) fn value(expr: &Expression, evaluator: &Evaluator<'_>) -> Result<Value, Fault> {
    let origin = evaluator.origin(expr);
    let Expression::Array(elements) = expr else {
        let plain = evaluator.value(expr)?;
        if plain.is_null() {
            return Ok(plain);
        }
        let list = plain.as_seq().ok_or_else(|| wrong(&plain, "`argv`", "a list of arguments"))?;
        let literal = |element: &Value| literal(element).map(|text| Value::string(text, element.origin().clone()));
        return Ok(Value::tuple(list.iter().map(literal).collect::<Result<_, _>>()?, origin));
    };
    let elements = elements.iter().map(|element| element_of(element, evaluator)).collect::<Result<Vec<_>, _>>()?;
    Ok(Value::tuple(elements, origin))
}

fn element_of(expr: &Expression, evaluator: &Evaluator<'_>) -> Result<Value, Fault> {
    let Expression::Object(object) = expr else { return one(expr, evaluator) };
    let origin = evaluator.origin(expr);
    let mut entries: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for (key, inner) in object {
        let (name, inner) = (key_name(key), inner.expr());
        let read = match name.as_deref() {
            Some("when") => match parameter(inner) {
                Some(name) => Value::string(name, evaluator.origin(inner)),
                None => {
                    return Err(evaluator
                        .origin(inner)
                        .fault(Code::FLEET_TYPE, "`when` is no parameter")
                        .remedy("Write `when = param.NAME`."));
                }
            },
            Some("argv") => {
                let Expression::Array(list) = inner else {
                    return Err(evaluator
                        .origin(inner)
                        .fault(Code::FLEET_TYPE, "`argv` beside `when` is no list")
                        .remedy("Write `{ when = param.NAME, argv = [\"--flag\"] }`."));
                };
                let list = list.iter().map(|element| one(element, evaluator)).collect::<Result<Vec<_>, _>>()?;
                Value::tuple(list, evaluator.origin(inner))
            }
            _ => return Err(no_argument(&origin)),
        };
        entries.insert(name.unwrap_or_default().into(), read);
    }
    if entries.len() == 2 { Ok(Value::object(entries, origin)) } else { Err(no_argument(&origin)) }
}

fn no_argument(at: &Origin) -> Fault {
    at.fault(Code::FLEET_TYPE, "an argument is a text, or a map of `when` and `argv`")
        .remedy("Write `{ when = param.NAME, argv = [\"--flag\"] }` for arguments that are there only sometimes.")
}

fn key_name(key: &ObjectKey) -> Option<String> {
    match key {
        ObjectKey::Ident(name) => Some(name.as_str().to_owned()),
        ObjectKey::Expression(Expression::Variable(name)) => Some(name.as_str().to_owned()),
        ObjectKey::Expression(_) => None,
    }
}

/// The parameter that an expression is, and nothing else.
fn parameter(expr: &Expression) -> Option<String> {
    let Expression::Traversal(traversal) = expr else { return None };
    let Expression::Variable(root) = &traversal.expr else { return None };
    match traversal.operators.as_slice() {
        [only] if root.as_str() == PARAM => match only.value() {
            TraversalOperator::GetAttr(name) => Some(name.as_str().to_owned()),
            _ => None,
        },
        _ => None,
    }
}

fn mentions_param(expr: &Expression) -> bool {
    references(expr).iter().any(|reference| reference.root == PARAM)
}

/// One argument.
fn one(expr: &Expression, evaluator: &Evaluator<'_>) -> Result<Value, Fault> {
    let origin = evaluator.origin(expr);
    if let Some(name) = parameter(expr) {
        return Ok(Value::string(format!("${{{PARAM}.{name}}}"), origin));
    }
    if !mentions_param(expr) {
        let value = evaluator.value(expr)?;
        return Ok(Value::string(literal(&value)?, origin));
    }
    let in_its_place = |element: &Element| match element {
        Element::Literal(_) => true,
        Element::Interpolation(inner) => parameter(&inner.expr).is_some() || !mentions_param(&inner.expr),
        Element::Directive(_) => false,
    };
    let Expression::StringTemplate(template) = expr else { return Err(out_of_place(&origin)) };
    if !template.iter().all(in_its_place) {
        return Err(out_of_place(&origin));
    }
    let marked = evaluator.value_in(expr, &Marking(evaluator))?;
    let text = text(&marked, "an argument")?;
    // Only what was marked holds the marks: literals that do are refused below.
    let mut written = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(OPEN) {
        let Some((name, after)) = after.split_once(CLOSE) else { break };
        written.push_str(&escaped(before));
        written.push_str(&format!("${{{PARAM}.{name}}}"));
        rest = after;
    }
    written.push_str(&escaped(rest));
    sound(&written, &origin)?;
    Ok(Value::string(written, origin))
}

fn out_of_place(at: &Origin) -> Fault {
    at.fault(Code::FLEET_TYPE, "a parameter is used in an expression, and its value is not known before a run")
        .remedy(SHAPE)
}

/// A literal, as it is written down.
fn literal(value: &Value) -> Result<String, Fault> {
    let text =
        value.text_form().filter(|_| !value.is_unknown()).ok_or_else(|| wrong(value, "an argument", "a text"))?;
    let written = escaped(&text);
    sound(&written, value.origin())?;
    Ok(written)
}

fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

fn sound(text: &str, at: &Origin) -> Result<(), Fault> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(at
            .fault(Code::FLEET_TYPE, format!("an argument is longer than {TEXT_MAX_BYTES} bytes"))
            .remedy("Put long text into a file of the repository."));
    }
    if text.contains(['\0', OPEN, CLOSE]) {
        return Err(at
            .fault(Code::FLEET_TYPE, "an argument holds a character that none can hold")
            .remedy("Take out NUL and private-use characters."));
    }
    Ok(())
}

/// Knows what the file knows, and answers `param.x` with a mark.
struct Marking<'e, 'f>(&'e Evaluator<'f>);

impl Scope for Marking<'_, '_> {
    fn resolve(
        &self,
        root: &str,
        steps: &[&str],
        at: &Origin,
        budget: &Budget,
    ) -> Result<Option<(Value, usize)>, Fault> {
        match (root, steps.first()) {
            (PARAM, Some(name)) => Ok(Some((Value::string(format!("{OPEN}{name}{CLOSE}"), at.clone()), 1))),
            _ => self.0.resolve(root, steps, at, budget),
        }
    }

    fn call(&self, name: &str, args: &[Value], at: &Origin, budget: &Budget) -> Result<Option<Value>, Fault> {
        self.0.call(name, args, at, budget)
    }
}

/// The arguments that a merged `argv` says.
///
/// # Errors
/// `PC-0505`, and `PC-0504` for a name that no parameter can have.
pub(crate) fn command(value: &Value) -> Result<Command, Fault> {
    let list = value.as_seq().ok_or_else(|| wrong(value, "`argv`", "a list of arguments"))?;
    let mut arguments = Vec::new();
    for element in list {
        arguments.push(match element.as_map() {
            None => Argument::One(parts(element)?),
            Some(entries) => {
                let name = entries.get("when").map(|name| text(name, "`when`")).transpose()?.unwrap_or_default();
                named(&name, element)?;
                let inner = entries.get("argv").and_then(Value::as_seq).unwrap_or_default();
                Argument::When { parameter: name, arguments: inner.iter().map(parts).collect::<Result<_, _>>()? }
            }
        });
    }
    if arguments.len() > ARGUMENTS_MAX {
        return Err(value
            .fault(Code::FLEET_TYPE, format!("`argv` has more than {ARGUMENTS_MAX} arguments"))
            .remedy("Put what is long into a file of the repository."));
    }
    Ok(Command(arguments))
}

fn parts(value: &Value) -> Result<Vec<Part>, Fault> {
    let text = text(value, "an argument")?;
    let (mut parts, mut literal) = (Vec::new(), String::new());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            literal.push('$');
            rest = after;
            continue;
        }
        let name = after.strip_prefix("{param.").and_then(|inner| inner.split_once('}'));
        let (name, after) = name.ok_or_else(|| wrong(value, "an argument", "a text"))?;
        named(name, value)?;
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        parts.push(Part::Parameter(name.to_owned()));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

fn named(name: &str, at: &Value) -> Result<(), Fault> {
    if is_name(name) {
        return Ok(());
    }
    Err(at
        .fault(Code::FLEET_UNKNOWN_NAME, format!("{} is no name of a parameter", quoted(name)))
        .remedy("A parameter's name is made of a-z, 0-9 and `_`, with a letter first."))
}
