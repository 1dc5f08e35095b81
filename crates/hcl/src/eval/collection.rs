//! Tuples, objects and `for` expressions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use hcl_edit::Span as _;
use hcl_edit::expr::{Array, Expression, ForExpr, Object, ObjectKey};
use portcullis_model::{Code, Fault};

use super::{Context, Frame};
use crate::syntax::Renamed;
use crate::value::{Entries, Kind, SeqKind, article};
use crate::{Origin, Value};

/// What one element of a `for` over something unknown is bound to.
const ELEMENT: &str = "element";

/// The key of an item.
enum Written<'o> {
    Name(Arc<str>),
    Value(&'o Expression),
}

impl Context<'_> {
    pub(super) fn array(&self, array: &Array, at: Origin) -> Result<Value, Fault> {
        self.budget.grow(array.len().saturating_mul(size_of::<Value>()))?;
        let elements = array.iter().map(|element| self.eval(element)).collect::<Result<Vec<_>, _>>()?;
        Ok(Value::tuple(elements, at))
    }

    pub(super) fn object(&self, object: &Object, at: Origin) -> Result<Value, Fault> {
        self.budget.grow(object.len().saturating_mul(2 * size_of::<Value>()))?;
        let mut entries = Entries::new();
        let mut unknown_keys = Vec::new();
        let mut sensitive = false;
        for (key, value) in object {
            let name: Arc<str> = match self.written(object, key) {
                Written::Name(name) => name,
                Written::Value(expr) => {
                    self.refuse_ambiguous(expr)?;
                    let key = self.eval(expr)?;
                    sensitive |= key.is_sensitive();
                    if key.is_unknown() {
                        unknown_keys.push(key);
                        unknown_keys.push(self.eval(value.expr())?);
                        continue;
                    }
                    self.key(&key, expr)?
                }
            };
            entries.insert(name, self.eval(value.expr())?);
        }
        let object = Value::object(entries, at.clone());
        if unknown_keys.is_empty() {
            return Ok(object.mark(sensitive));
        }
        unknown_keys.push(object);
        Ok(Value::derived("{}", &unknown_keys, at))
    }

    /// What a key is in the file: the tree has another one in the place of a key that is there before.
    fn written<'o>(&self, object: &'o Object, key: &'o ObjectKey) -> Written<'o> {
        let start = |key: &ObjectKey| match key {
            ObjectKey::Ident(name) => name.span().map(|span| span.start),
            ObjectKey::Expression(expr) => expr.span().map(|span| span.start),
        };
        let key = match start(key).and_then(|start| self.file.renamed(start)) {
            Some(Renamed::Name(name)) => return Written::Name(Arc::clone(name)),
            Some(Renamed::Like(first)) => {
                object.iter().map(|(key, _)| key).find(|key| start(key) == Some(*first)).unwrap_or(key)
            }
            None => key,
        };
        match key {
            ObjectKey::Ident(name) => Written::Name(name.value().as_str().into()),
            // Without parentheses it is a name like any other.
            ObjectKey::Expression(Expression::Null(_)) => Written::Name("null".into()),
            ObjectKey::Expression(expr) => Written::Value(expr),
        }
    }

    /// The name of a key that is known, for the type of an object that cannot be evaluated.
    pub(super) fn key_despite(&self, object: &Object, key: &ObjectKey) -> Result<Option<Arc<str>>, Fault> {
        match self.written(object, key) {
            Written::Name(name) => Ok(Some(name)),
            Written::Value(expr) => match self.eval(expr) {
                Ok(key) => Ok(key.text_form()),
                Err(fault) if fault.code() == Code::HCL_TOO_LARGE => Err(fault),
                Err(fault) => self.caught(&fault).map(|()| None),
            },
        }
    }

    /// `{ local.a = 1 }` could mean the name `local.a` or the value of it; Terraform refuses it.
    fn refuse_ambiguous(&self, key: &Expression) -> Result<(), Fault> {
        match key {
            Expression::Traversal(traversal) if matches!(traversal.expr, Expression::Variable(_)) => Err(self
                .origin(key)
                .fault(Code::HCL_EVALUATION, "a key that is a reference is ambiguous")
                .remedy("Put the key in parentheses to use the value, or in quotes to use the name.")),
            _ => Ok(()),
        }
    }

    /// A known key as a string.
    fn key(&self, key: &Value, expr: &Expression) -> Result<Arc<str>, Fault> {
        key.text_form().ok_or_else(|| {
            let found = article(key.type_name());
            self.origin(expr).fault(Code::HCL_TYPE, format!("a key must be a string, not {found}"))
        })
    }

    pub(super) fn for_expr(&self, expr: &ForExpr, at: &Origin) -> Result<Value, Fault> {
        let collection = self.eval(&expr.intro.collection_expr)?;
        let names = Names {
            key: expr.intro.key_var.as_ref().map(|name| name.value().as_str()),
            value: expr.intro.value_var.value().as_str(),
        };
        self.go_through(&collection)?;
        let Some(pairs) = elements(&collection, &self.place_of(&expr.intro.collection_expr, at))? else {
            return self.for_unknown(expr, &names, &collection, at);
        };
        let mut made = Made { sensitive: collection.is_sensitive(), ..Made::default() };
        for (key, value) in pairs {
            self.budget.grow(size_of::<Value>())?;
            self.bind(&names, key, value, |inner| inner.for_element(expr, &mut made))?;
        }
        if !made.unknown.is_empty() {
            made.unknown.push(collection);
            return Ok(Value::derived("for", &made.unknown, at.clone()).mark(made.sensitive));
        }
        let result = match (&expr.key_expr, expr.grouping) {
            (None, _) => Value::tuple(made.elements, at.clone()),
            (Some(_), false) => Value::object(made.entries, at.clone()),
            (Some(_), true) => Value::object(
                made.groups.into_iter().map(|(key, group)| (key, Value::tuple(group, at.clone()))).collect(),
                at.clone(),
            ),
        };
        Ok(result.mark(made.sensitive))
    }

    /// Pays for all elements of a collection at once: they are laid out before the first is looked at.
    pub(super) fn go_through(&self, collection: &Value) -> Result<(), Fault> {
        let count = match collection.kind() {
            Kind::Seq(_, elements) => elements.len(),
            Kind::Map(_, entries) => entries.len(),
            _ => 0,
        };
        self.budget.spend(count as u64)
    }

    /// One element; the names are bound.
    fn for_element(&self, expr: &ForExpr, made: &mut Made) -> Result<(), Fault> {
        if let Some(condition) = &expr.cond {
            let wanted = self.eval(&condition.expr)?;
            made.sensitive |= wanted.is_sensitive();
            if wanted.is_unknown() {
                made.unknown.push(wanted);
            } else if !wanted.want_bool("the `if` of a `for`")? {
                return Ok(());
            }
        }
        let Some(key_expr) = &expr.key_expr else {
            let value = self.eval(&expr.value_expr)?;
            if !made.unknown.is_empty() {
                made.unknown.push(value.clone());
            }
            made.elements.push(value);
            return Ok(());
        };
        let key = self.eval(key_expr)?;
        let value = self.eval(&expr.value_expr)?;
        made.sensitive |= key.is_sensitive();
        if key.is_unknown() || !made.unknown.is_empty() {
            made.unknown.extend([key, value]);
            return Ok(());
        }
        let name = self.key(&key, key_expr)?;
        if expr.grouping {
            made.groups.entry(name).or_default().push(value);
            return Ok(());
        }
        match made.entries.entry(name) {
            Entry::Vacant(place) => {
                place.insert(value);
                Ok(())
            }
            Entry::Occupied(place) => {
                let shown = if key.is_sensitive() { "same key".to_owned() } else { format!("key `{}`", place.key()) };
                Err(self
                    .origin(key_expr)
                    .fault(Code::HCL_EVALUATION, format!("two elements of the `for` have the {shown}"))
                    .remedy("Add `...` after the value to group the values of one key."))
            }
        }
    }

    /// A `for` over something unknown: its body is evaluated once, so that what it refers to is part of
    /// the trace.
    fn for_unknown(&self, expr: &ForExpr, names: &Names<'_>, collection: &Value, at: &Origin) -> Result<Value, Fault> {
        let (key, element) = unknown_element(collection, at);
        let mut parts = vec![collection.clone()];
        self.bind(names, key, element, |inner| {
            let condition = expr.cond.as_ref().map(|condition| &condition.expr);
            for part in [condition, expr.key_expr.as_ref(), Some(&expr.value_expr)].into_iter().flatten() {
                parts.push(inner.attempt(part)?);
            }
            Ok(())
        })?;
        Ok(Value::derived("for", &parts, at.clone()))
    }

    /// Evaluates something with the names of a `for` bound.
    pub(super) fn bind<T>(
        &self,
        names: &Names<'_>,
        key: Value,
        value: Value,
        body: impl FnOnce(&Context<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let outer;
        let outer = match names.key {
            Some(name) => {
                outer = Frame { name, value: key, outer: self.frame };
                Some(&outer)
            }
            None => self.frame,
        };
        let frame = Frame { name: names.value, value, outer };
        body(&self.with(&frame))
    }

    pub(super) fn place_of(&self, expr: &Expression, outer: &Origin) -> Origin {
        if expr.span().is_some() { self.origin(expr) } else { outer.clone() }
    }
}

/// The names that a `for` binds.
pub(super) struct Names<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) value: &'a str,
}

/// What a `for` has made so far.
#[derive(Default)]
struct Made {
    elements: Vec<Value>,
    entries: Entries,
    groups: BTreeMap<Arc<str>, Vec<Value>>,
    /// Not empty once it depends on something unknown which elements there are; then all that matters.
    unknown: Vec<Value>,
    sensitive: bool,
}

/// Keys and values of a collection, as `for` goes through them. `None` when it is unknown.
pub(super) fn elements(collection: &Value, at: &Origin) -> Result<Option<Vec<(Value, Value)>>, Fault> {
    let sensitive = collection.is_sensitive();
    let origin = |value: &Value| value.origin().clone();
    match collection.kind() {
        Kind::Unknown(_) => Ok(None),
        Kind::Seq(SeqKind::Set, elements) => {
            let value = |element: &Value| element.clone().mark(sensitive);
            Ok(Some(elements.iter().map(|element| (value(element), value(element))).collect()))
        }
        Kind::Seq(_, elements) => Ok(Some(
            elements
                .iter()
                .zip(0u64..)
                .map(|(element, index)| {
                    (Value::number(index, origin(element)).mark(sensitive), element.clone().mark(sensitive))
                })
                .collect(),
        )),
        Kind::Map(_, entries) => Ok(Some(
            entries
                .iter()
                .map(|(key, entry)| {
                    (Value::string(Arc::clone(key), origin(entry)).mark(sensitive), entry.clone().mark(sensitive))
                })
                .collect(),
        )),
        _ => Err(at.fault(
            Code::HCL_TYPE,
            format!("`for` goes through a list, set, map or object, not {}", article(collection.type_name())),
        )),
    }
}

/// What stands for key and value of an element of something unknown.
pub(super) fn unknown_element(collection: &Value, at: &Origin) -> (Value, Value) {
    let of = std::slice::from_ref(collection);
    (Value::derived("key", of, at.clone()), Value::derived(ELEMENT, of, at.clone()))
}
