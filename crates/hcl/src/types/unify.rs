//! The type that several types have in common: what both results of a conditional, or all elements of a list,
//! are made. As cty's `UnifyUnsafe` finds it: collections of one kind by their elements, tuples and objects of
//! one shape by their parts, and else the first of the types, the most general ones first, that all the others
//! convert to.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::{Type, can_convert};

/// Different types among those of one collection. Each is compared with each.
const DIFFERENT: usize = 256;

/// The type that all of them can be converted to; `None` when there is none, or no types.
pub fn unify(types: &[Type]) -> Option<Type> {
    let mut seen = HashSet::new();
    let types: Vec<&Type> = types.iter().filter(|of| seen.insert(*of)).collect();
    unify_different(&types)
}

fn unify_different(types: &[&Type]) -> Option<Type> {
    match types {
        [] => return None,
        [only] => return Some((*only).clone()),
        _ if types.len() > DIFFERENT => return None,
        _ => {}
    }
    let count = |kind: fn(&Type) -> bool| types.iter().filter(|of| kind(of)).count();
    let any = count(|of| *of == Type::Any);
    let maps = count(|of| matches!(of, Type::Map(_)));
    let lists = count(|of| matches!(of, Type::List(_)));
    let sets = count(|of| matches!(of, Type::Set(_)));
    let objects = count(|of| matches!(of, Type::Object(_)));
    let tuples = count(|of| matches!(of, Type::Tuple(_)));
    let all = |some: usize| some > any && some == types.len();
    let parts = [maps, lists, sets, objects, tuples].into_iter().any(|kind| all(kind + any));
    // What is open may turn out to be anything, and so the whole is open.
    if any > 0 && parts {
        return Some(Type::Any);
    }
    if all(maps) || all(lists) || all(sets) {
        return elements(types);
    }
    if all(objects) {
        return same_attributes(types);
    }
    if all(tuples) {
        return same_length(types);
    }
    if maps > 0
        && all(maps + objects + any)
        && let Some(found) = as_collections(types, attributes_as_map)
    {
        return Some(found);
    }
    if lists > 0
        && all(lists + tuples + any)
        && let Some(found) = as_collections(types, elements_as_list)
    {
        return Some(found);
    }
    if objects > 0 && tuples > 0 {
        return None;
    }
    let fits = |want: &Type| types.iter().all(|of| *of == want || can_convert(of, want));
    most_general_first(types).into_iter().find(|want| fits(want)).cloned()
}

/// Lists, sets or maps, all of one kind.
fn elements(types: &[&Type]) -> Option<Type> {
    let inner: Vec<Type> = types
        .iter()
        .filter_map(|of| match of {
            Type::List(element) | Type::Set(element) | Type::Map(element) => Some((**element).clone()),
            _ => None,
        })
        .collect();
    let element = Arc::new(unify(&inner)?);
    Some(match types.first()? {
        Type::List(_) => Type::List(element),
        Type::Set(_) => Type::Set(element),
        _ => Type::Map(element),
    })
}

fn attributes(of: &Type) -> Option<&BTreeMap<Arc<str>, Type>> {
    match of {
        Type::Object(attributes) => Some(attributes),
        _ => None,
    }
}

fn parts(of: &Type) -> Option<&[Type]> {
    match of {
        Type::Tuple(parts) => Some(parts),
        _ => None,
    }
}

/// Objects: of the same attributes an object, else a map.
fn same_attributes(types: &[&Type]) -> Option<Type> {
    let objects: Vec<&BTreeMap<Arc<str>, Type>> = types.iter().filter_map(|of| attributes(of)).collect();
    let (first, others) = objects.split_first()?;
    if !others.iter().all(|other| other.keys().eq(first.keys())) {
        return attributes_as_map(types);
    }
    let mut made = BTreeMap::new();
    for name in first.keys() {
        let across: Vec<Type> = objects.iter().filter_map(|object| object.get(name)).cloned().collect();
        made.insert(Arc::clone(name), unify(&across)?);
    }
    Some(Type::Object(Arc::new(made)))
}

/// Tuples: of the same length a tuple, else a list.
fn same_length(types: &[&Type]) -> Option<Type> {
    let tuples: Vec<&[Type]> = types.iter().filter_map(|of| parts(of)).collect();
    let (first, others) = tuples.split_first()?;
    if !others.iter().all(|other| other.len() == first.len()) {
        return elements_as_list(types);
    }
    let across = |at: usize| tuples.iter().filter_map(|tuple| tuple.get(at)).cloned().collect::<Vec<Type>>();
    (0..first.len()).map(|at| unify(&across(at))).collect::<Option<Arc<[Type]>>>().map(Type::Tuple)
}

fn attributes_as_map(types: &[&Type]) -> Option<Type> {
    let all: Vec<Type> = types.iter().filter_map(|of| attributes(of)).flat_map(|of| of.values()).cloned().collect();
    let found = Type::Map(Arc::new(unify(&all)?));
    types.iter().filter(|of| attributes(of).is_some()).all(|of| can_convert(of, &found)).then_some(found)
}

fn elements_as_list(types: &[&Type]) -> Option<Type> {
    let all: Vec<Type> = types.iter().filter_map(|of| parts(of)).flatten().cloned().collect();
    let found = Type::List(Arc::new(unify(&all)?));
    types.iter().filter(|of| parts(of).is_some()).all(|of| can_convert(of, &found)).then_some(found)
}

/// Collections of one kind among tuples or objects: those first as such a collection, then all together.
fn as_collections(types: &[&Type], collect: fn(&[&Type]) -> Option<Type>) -> Option<Type> {
    let is_structure = |of: &&Type| matches!(of, Type::Tuple(_) | Type::Object(_));
    let structures: Vec<&Type> = types.iter().copied().filter(is_structure).collect();
    let collection = collect(&structures)?;
    let others = types.iter().copied().filter(|of| !is_structure(of)).cloned();
    let found = unify(&others.chain([collection]).collect::<Vec<_>>())?;
    matches!(found, Type::List(_) | Type::Map(_)).then_some(found)
}

/// Topological, and otherwise in the order given.
fn most_general_first<'t>(types: &[&'t Type]) -> Vec<&'t Type> {
    let mut rest: Vec<&Type> = types.to_vec();
    let mut sorted = Vec::with_capacity(types.len());
    while !rest.is_empty() {
        let is_first = |at: &Type| !rest.iter().any(|other| generality(other, at) == Ordering::Less);
        let at = rest.iter().position(|of| is_first(of)).unwrap_or(0);
        sorted.push(rest.remove(at));
    }
    sorted
}

/// `Less`: the first is the more general one. As in cty, most types have no order.
fn generality(a: &Type, b: &Type) -> Ordering {
    match (a, b) {
        (Type::Any, Type::Any) => Ordering::Equal,
        (_, Type::Any) => Ordering::Less,
        (Type::Any, _) => Ordering::Greater,
        (Type::String, Type::Bool | Type::Number) => Ordering::Less,
        (Type::Bool | Type::Number, Type::String) => Ordering::Greater,
        (Type::List(a), Type::List(b)) | (Type::Set(a), Type::Set(b)) | (Type::Map(a), Type::Map(b)) => {
            generality(a, b)
        }
        (Type::List(_), Type::Set(_) | Type::Tuple(_))
        | (Type::Tuple(_), Type::Set(_))
        | (Type::Map(_), Type::Object(_)) => Ordering::Less,
        (Type::Set(_) | Type::Tuple(_), Type::List(_))
        | (Type::Set(_), Type::Tuple(_))
        | (Type::Object(_), Type::Map(_)) => Ordering::Greater,
        (Type::Object(a), Type::Object(b)) if a.keys().eq(b.keys()) => by_parts(a.values().zip(b.values())),
        (Type::Tuple(a), Type::Tuple(b)) if a.len() == b.len() => by_parts(a.iter().zip(&**b)),
        _ => Ordering::Equal,
    }
}

fn by_parts<'t>(pairs: impl Iterator<Item = (&'t Type, &'t Type)>) -> Ordering {
    let (mut less, mut greater) = (false, false);
    for (a, b) in pairs {
        match generality(a, b) {
            Ordering::Less => less = true,
            Ordering::Greater => greater = true,
            Ordering::Equal => {}
        }
    }
    match (less, greater) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}
