//! Access to parts of a value: attributes, indexes, splats.

use hcl_edit::Decorated;
use hcl_edit::expr::TraversalOperator;
use portcullis_model::{Code, Fault};

use super::{Context, suggest};
use crate::value::{Kind, SeqKind, article};
use crate::{Origin, Value, number};

impl Context<'_> {
    /// Applies the operators of a traversal, from left to right.
    pub(super) fn steps(
        &self,
        mut value: Value,
        operators: &[Decorated<TraversalOperator>],
        at: &Origin,
    ) -> Result<Value, Fault> {
        let mut rest = operators;
        while let Some((operator, after)) = rest.split_first() {
            self.budget.spend(1)?;
            rest = after;
            value = match operator.value() {
                TraversalOperator::GetAttr(name) => attribute(&value, name.value().as_str(), at)?,
                TraversalOperator::Index(key) => index(&value, &self.eval(key)?, at)?,
                TraversalOperator::LegacyIndex(position) => {
                    index(&value, &Value::number(*position.value(), at.clone()), at)?
                }
                // `.*` takes the attributes that follow, `[*]` everything.
                TraversalOperator::AttrSplat(_) => {
                    let attributes = after
                        .iter()
                        .take_while(|operator| matches!(operator.value(), TraversalOperator::GetAttr(_)))
                        .count();
                    let (each, later) = after.split_at(attributes);
                    if let Some(TraversalOperator::LegacyIndex(_)) = later.first().map(Decorated::value) {
                        return Err(at
                            .fault(Code::HCL_SYNTAX, "an index by `.` and a number is not allowed after `.*`")
                            .remedy("Use `[*]` in place of `.*`, or `[…]` for the index."));
                    }
                    rest = later;
                    self.splat(&value, each, at)?
                }
                TraversalOperator::FullSplat(_) => {
                    rest = &[];
                    self.splat(&value, after, at)?
                }
            };
        }
        Ok(value)
    }

    fn splat(&self, value: &Value, each: &[Decorated<TraversalOperator>], at: &Origin) -> Result<Value, Fault> {
        let (kind, elements) = match value.kind() {
            Kind::Null => return Ok(Value::tuple(Vec::new(), at.clone()).mark(value.is_sensitive())),
            // Of what is no list for certain, there is one.
            Kind::Unknown(unknown) if unknown.is_never_null() && unknown.of().is_primitive() => {
                let only = self.steps(value.clone(), each, at)?;
                return Ok(Value::tuple(vec![only], at.clone()));
            }
            Kind::Unknown(_) => {
                let element = Value::derived("element", std::slice::from_ref(value), at.clone());
                // There may be no elements, and so what is wrong with each may not matter.
                return match self.steps(element, each, at) {
                    Ok(result) => Ok(Value::derived("[*]", &[value.clone(), result], at.clone())),
                    Err(fault) if super::call::is_catchable(&fault) => {
                        self.caught(&fault)?;
                        Ok(Value::derived(at.text(), std::slice::from_ref(value), at.clone()))
                    }
                    Err(fault) => Err(fault),
                };
            }
            Kind::Seq(SeqKind::Tuple, elements) => (SeqKind::Tuple, elements),
            Kind::Seq(_, elements) => (SeqKind::List, elements),
            _ => (SeqKind::Tuple, std::slice::from_ref(value)),
        };
        self.budget.spend(elements.len() as u64)?;
        let results = elements
            .iter()
            .map(|element| self.steps(element.clone().mark(value.is_sensitive()), each, at))
            .collect::<Result<Vec<_>, _>>()?;
        self.budget.grow(results.len().saturating_mul(size_of::<Value>()))?;
        Ok(Value::seq(kind, results, at.clone()).mark(value.is_sensitive()))
    }
}

/// `value.name`
pub(super) fn attribute(value: &Value, name: &str, at: &Origin) -> Result<Value, Fault> {
    match value.kind() {
        Kind::Unknown(_) => Ok(Value::derived(&format!(".{name}"), std::slice::from_ref(value), at.clone())),
        Kind::Map(_, entries) => match entries.get(name) {
            Some(entry) => Ok(entry.clone().mark(value.is_sensitive())),
            None => {
                let fault = at.fault(Code::HCL_EVALUATION, format!("there is no attribute `{name}`"));
                let fault =
                    if value.is_sensitive() { fault } else { list_keys(fault, entries.keys().map(|key| &**key)) };
                Err(suggest::add(fault, name, entries.keys().map(|key| &**key)))
            }
        },
        Kind::Null => {
            Err(at.fault(Code::HCL_EVALUATION, format!("`{name}` is asked of null, which has no attributes")))
        }
        Kind::Seq(..) => Err(at
            .fault(Code::HCL_TYPE, format!("{} has no attribute `{name}`", article(value.type_name())))
            .remedy(format!("Use an index before it, or `[*].{name}` for all elements."))),
        _ => Err(at.fault(Code::HCL_TYPE, format!("{} has no attribute `{name}`", article(value.type_name())))),
    }
}

/// At most a few names: a message is read by a person.
fn list_keys<'k>(fault: Fault, keys: impl Iterator<Item = &'k str>) -> Fault {
    let mut keys: Vec<&str> = keys.take(11).collect();
    if keys.is_empty() {
        return fault.note("the object is empty");
    }
    let more = if keys.len() > 10 { keys.pop().map_or("", |_| ", …") } else { "" };
    fault.note(format!("the attributes are: {}{more}", keys.join(", ")))
}

/// `value[key]`
pub(super) fn index(value: &Value, key: &Value, at: &Origin) -> Result<Value, Fault> {
    if key.is_null() {
        return Err(at.fault(Code::HCL_EVALUATION, "the index is null"));
    }
    if value.is_unknown() || (key.is_unknown() && matches!(value.kind(), Kind::Seq(..) | Kind::Map(..))) {
        return Ok(Value::derived("[]", &[value.clone(), key.clone()], at.clone()));
    }
    let sensitive = value.is_sensitive() || key.is_sensitive();
    match value.kind() {
        Kind::Seq(SeqKind::Set, _) => Err(at
            .fault(Code::HCL_TYPE, "a set has no order, so its elements have no index")
            .remedy("Use `tolist` to make a list of it, or `for` to go through it.")),
        Kind::Seq(_, elements) => {
            let Some(position) = position(key) else {
                return Err(at.fault(
                    Code::HCL_TYPE,
                    format!("the index of {} must be a whole number", article(value.type_name())),
                ));
            };
            let found = usize::try_from(position).ok().and_then(|position| elements.get(position));
            found.map(|element| element.clone().mark(sensitive)).ok_or_else(|| {
                let message =
                    format!("there is no element {position}: the {} has {}", value.type_name(), elements.len());
                at.fault(Code::HCL_EVALUATION, message)
            })
        }
        Kind::Map(_, entries) => {
            let name = key.text_form().ok_or_else(|| {
                at.fault(
                    Code::HCL_TYPE,
                    format!(
                        "the key of {} must be a string, not {}",
                        article(value.type_name()),
                        article(key.type_name())
                    ),
                )
            })?;
            entries.get(&*name).map(|entry| entry.clone().mark(sensitive)).ok_or_else(|| {
                let fault = at.fault(
                    Code::HCL_EVALUATION,
                    if key.is_sensitive() {
                        "there is no such key".to_owned()
                    } else {
                        format!("there is no key `{name}`")
                    },
                );
                if sensitive {
                    fault
                } else {
                    suggest::add(
                        list_keys(fault, entries.keys().map(|key| &**key)),
                        &name,
                        entries.keys().map(|key| &**key),
                    )
                }
            })
        }
        Kind::Null => Err(at.fault(Code::HCL_EVALUATION, "an index is asked of null, which has no elements")),
        _ => Err(at.fault(Code::HCL_TYPE, format!("{} has no elements", article(value.type_name())))),
    }
}

fn position(key: &Value) -> Option<i64> {
    match key.kind() {
        Kind::Number(number) => number::whole(number),
        Kind::String(text) => number::parse(text).and_then(|number| number::whole(&number)),
        _ => None,
    }
}
