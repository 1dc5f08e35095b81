//! Arguments made of literals and values. No shell is in between, so a value is never read as anything but a text;
//! what is left to keep from a value is to be read as an option. That is kept here, twice: by the form of a declared
//! argument, when a definition is loaded ([`Command::flaws`]), and by the text that comes out ([`Command::arguments`]).
//!
//! - An argument that starts with `-` starts with a literal that does.
//! - After a literal that starts with `-`, a value may only follow a `=`: `--name=${param.name}` is one argument whose
//!   option no value can change, `--${param.name}` and `-n${param.name}` are refused.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use serde_json::json;

use super::{Parameter, Type, Value};
use crate::id::quoted;
use crate::{Code, Fault};

/// Most arguments that a definition may write.
pub const ARGUMENTS_MAX: usize = 256;
/// Most bytes that the arguments of a run may come to.
const BYTES_MAX: usize = 128 << 10;

/// A part of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As the definition has it.
    Literal(String),
    /// The value of a parameter.
    Parameter(String),
}

/// What a definition writes for one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// One argument; one for each element if it holds a list or a map; none if a parameter that it holds has no value.
    One(Vec<Part>),
    /// These, if the parameter is `true`, or is no boolean and has a value.
    When {
        /// The parameter.
        parameter: String,
        /// The arguments.
        arguments: Vec<Vec<Part>>,
    },
}

/// The arguments of a program. Serialized as texts in which `${param.x}` is a value and `$$` a dollar sign.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command(pub Vec<Argument>);

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = self.0.iter().map(|argument| match argument {
            Argument::One(parts) => json!(written(parts)),
            Argument::When { parameter, arguments } => {
                json!({ "argv": arguments.iter().map(|parts| written(parts)).collect::<Vec<_>>(), "when": parameter })
            }
        });
        serializer.collect_seq(written)
    }
}

fn written(parts: &[Part]) -> String {
    let part = |part: &Part| match part {
        Part::Literal(text) => text.replace('$', "$$"),
        Part::Parameter(name) => format!("${{param.{name}}}"),
    };
    parts.iter().map(part).collect()
}

/// What is wrong with a declared argument, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Which argument.
    pub argument: usize,
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub remedy: String,
}

impl Command {
    /// Parameters that it refers to.
    pub fn parameters(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for argument in &self.0 {
            let written = match argument {
                Argument::One(parts) => std::slice::from_ref(parts),
                Argument::When { parameter, arguments } => {
                    names.insert(parameter.as_str());
                    arguments
                }
            };
            names.extend(written.iter().flatten().filter_map(Part::parameter));
        }
        names
    }

    /// What is wrong with it, for these parameters.
    pub fn flaws(&self, parameters: &BTreeMap<String, Parameter>) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        for (at, argument) in self.0.iter().enumerate() {
            let found = match argument {
                Argument::One(parts) => {
                    let after = at.checked_sub(1).and_then(|before| match self.0.get(before) {
                        Some(Argument::One(parts)) => Some(parts.as_slice()),
                        _ => None,
                    });
                    form(parts, parameters).and_then(|()| dangling(parts, after, parameters))
                }
                Argument::When { parameter, arguments } => when(parameter, arguments, parameters),
            };
            if let Err((message, remedy)) = found {
                flaws.push(Flaw { argument: at, message, remedy });
            }
        }
        flaws
    }

    /// The arguments for these values.
    ///
    /// # Errors
    /// `PC-0120` when a value would start an argument with `-`, or they come to too much.
    pub fn arguments(&self, values: &BTreeMap<String, Value>) -> Result<Vec<String>, Fault> {
        let mut all = Vec::new();
        for argument in &self.0 {
            match argument {
                Argument::One(parts) => one(parts, values, &mut all)?,
                Argument::When { parameter, arguments } => {
                    if values.get(parameter).is_some_and(|value| *value != Value::Boolean(false)) {
                        arguments.iter().try_for_each(|parts| one(parts, values, &mut all))?;
                    }
                }
            }
        }
        let bytes: usize = all.iter().map(|text| text.len() + 1).sum();
        if bytes > BYTES_MAX {
            let message = format!("the arguments come to {bytes} bytes, allowed are {BYTES_MAX}");
            return Err(Fault::new(Code::BAD_PARAMETER, message).remedy("Give fewer or shorter values."));
        }
        Ok(all)
    }
}

impl Part {
    fn parameter(&self) -> Option<&str> {
        match self {
            Part::Literal(_) => None,
            Part::Parameter(name) => Some(name),
        }
    }
}

type Wrong = (String, String);

fn wrong(message: impl Into<String>, remedy: impl Into<String>) -> Result<(), Wrong> {
    Err((message.into(), remedy.into()))
}

/// Whether an argument has a form in which no value can become an option.
fn form(parts: &[Part], parameters: &BTreeMap<String, Parameter>) -> Result<(), Wrong> {
    let mut literal = String::new();
    let mut collections = 0;
    let mut first = true;
    for part in parts {
        let name = match part {
            Part::Literal(text) => {
                literal.push_str(text);
                first = first && text.is_empty();
                continue;
            }
            Part::Parameter(name) => name,
        };
        let Some(parameter) = parameters.get(name) else {
            let known = parameters.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let known =
                if known.is_empty() { "It has no parameters.".to_owned() } else { format!("There are {known}.") };
            return wrong(format!("there is no parameter {}", quoted(name)), known);
        };
        if literal.starts_with('-') && !literal.contains('=') {
            return wrong(
                format!("the value of `{name}` would be joined to the option {}", quoted(&literal)),
                "Put a `=` between an option and a value, as in `--name=${param.name}`, or make the value an argument of \
                 its own.",
            );
        }
        if first && matches!(parameter.kind, Type::Integer { min, .. } if min < 0) {
            return wrong(
                format!("the value of `{name}` can be negative, and would then start an argument with `-`"),
                "Put it behind its option, as in `--name=${param.name}`, or give it a `min` that is not negative.",
            );
        }
        collections += usize::from(parameter.kind.is_collection());
        if collections > 1 {
            return wrong("it holds two lists or maps", "Write an argument for each.");
        }
        first = false;
    }
    Ok(())
}

/// An option whose value may be absent would take the next argument for its value.
fn dangling(parts: &[Part], after: Option<&[Part]>, parameters: &BTreeMap<String, Parameter>) -> Result<(), Wrong> {
    let absent = parts.iter().filter_map(Part::parameter).find(|name| {
        let parameter = parameters.get(*name);
        parameter.is_some_and(|known| known.may_be_absent() || known.kind.is_collection())
    });
    let (Some(name), Some([Part::Literal(option)])) = (absent, after) else { return Ok(()) };
    if !option.starts_with('-') || option.contains('=') || option == "--" {
        return Ok(());
    }
    wrong(
        format!("`{name}` may have no value or several, and the option {} before it has one", quoted(option)),
        format!(
            "Write `\"{option}=${{param.{name}}}\"`, or `{{ when = param.{name}, argv = [\"{option}\", param.{name}] }}`."
        ),
    )
}

fn when(name: &str, arguments: &[Vec<Part>], parameters: &BTreeMap<String, Parameter>) -> Result<(), Wrong> {
    let Some(parameter) = parameters.get(name) else {
        return form(&[Part::Parameter(name.to_owned())], parameters);
    };
    if parameter.kind != Type::Boolean && !parameter.may_be_absent() {
        return wrong(
            format!("`{name}` is no boolean and always has a value, so `when` decides nothing"),
            "Write the arguments without `when`.",
        );
    }
    for (at, parts) in arguments.iter().enumerate() {
        form(parts, parameters)?;
        // The parameter that decides has a value here.
        let others = |part: &&Part| part.parameter() != Some(name);
        let others: Vec<Part> = parts.iter().filter(others).cloned().collect();
        let after = at.checked_sub(1).and_then(|before| arguments.get(before)).map(Vec::as_slice);
        let parts = if parameter.kind.is_collection() { parts } else { &others };
        dangling(parts, after, parameters)?;
    }
    Ok(())
}

/// Appends what one written argument comes to.
fn one(parts: &[Part], values: &BTreeMap<String, Value>, all: &mut Vec<String>) -> Result<(), Fault> {
    let mut texts = vec![String::new()];
    for part in parts {
        let next = match part {
            Part::Literal(text) => vec![text.clone()],
            Part::Parameter(name) => match values.get(name) {
                None => return Ok(()),
                Some(value) => value.texts(),
            },
        };
        texts = texts.iter().flat_map(|so_far| next.iter().map(move |text| format!("{so_far}{text}"))).collect();
    }
    // A literal behind a value counts as the value's: an empty one would make an option of it.
    let option = parts.iter().map_while(|part| if let Part::Literal(text) = part { Some(text.as_str()) } else { None });
    if !option.collect::<String>().starts_with('-')
        && let Some(option) = texts.iter().find(|text| text.starts_with('-'))
    {
        return Err(an_option(parts, values, option));
    }
    all.append(&mut texts);
    Ok(())
}

/// Says which value starts with `-`, or which argument does because its values are empty.
fn an_option(parts: &[Part], values: &BTreeMap<String, Value>, argument: &str) -> Fault {
    let texts = |name: &str| values.get(name).map(Value::texts).unwrap_or_default();
    let given = parts
        .iter()
        .filter_map(Part::parameter)
        .find_map(|name| Some((name, texts(name).into_iter().find(|text| text.starts_with('-'))?)));
    let first = || parts.iter().find_map(Part::parameter).unwrap_or_default();
    let (name, text) = given.unwrap_or_else(|| (first(), argument.to_owned()));
    let message = format!("parameter `{name}`: {} is refused: it starts with `-`, as an option does", quoted(&text));
    Fault::new(Code::BAD_PARAMETER, message).remedy("Give a value that does not start with `-`.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Characters, Presence};
    use super::*;

    fn parameter(kind: Type, presence: Presence) -> Parameter {
        Parameter { kind, description: String::new(), presence }
    }

    fn text() -> Type {
        let characters = Characters::parse(["a-z", "-", "=", "$", " "]).unwrap();
        Type::String { characters, min_length: 0, max_length: 8 }
    }

    fn parameters() -> BTreeMap<String, Parameter> {
        BTreeMap::from([
            ("text".to_owned(), parameter(text(), Presence::Required)),
            ("maybe".to_owned(), parameter(text(), Presence::Optional)),
            ("list".to_owned(), parameter(Type::List { of: Box::new(text()), max_items: 3 }, Presence::Required)),
            ("flag".to_owned(), parameter(Type::Boolean, Presence::Required)),
        ])
    }

    fn literal(text: &str) -> Part {
        Part::Literal(text.into())
    }

    fn param(name: &str) -> Part {
        Part::Parameter(name.into())
    }

    fn parts() -> impl Strategy<Value = Vec<Part>> {
        let literals = prop::sample::select(vec!["", "-", "--", "--x=", "-x", "x", "=", "a-"]).prop_map(literal);
        let params = prop::sample::select(vec!["text", "maybe", "list", "flag"]).prop_map(param);
        prop::collection::vec(prop_oneof![literals, params], 1..4)
    }

    proptest! {
        #[test]
        fn an_argument_that_starts_with_a_dash_starts_with_a_literal_that_does(
            written in prop::collection::vec(parts(), 1..4),
            (text, maybe) in ("[-a=$ ]{0,4}", prop::option::of("[-a=]{0,4}")),
            list in prop::collection::vec("[-a=]{0,3}", 0..3),
            flag in any::<bool>(),
        ) {
            let command = Command(written.iter().cloned().map(Argument::One).collect());
            prop_assume!(command.flaws(&parameters()).is_empty());
            let mut values = BTreeMap::from([
                ("text".to_owned(), Value::Text(text)),
                ("list".to_owned(), Value::List(list.into_iter().map(Value::Text).collect())),
                ("flag".to_owned(), Value::Boolean(flag)),
            ]);
            values.extend(maybe.map(|text| ("maybe".to_owned(), Value::Text(text))));
            let Ok(arguments) = command.arguments(&values) else { return Ok(()) };
            // What the literals alone say: the option of each written argument, up to its first value.
            let options: Vec<String> = written.iter().map(|parts| {
                let leading = parts.iter().map_while(|part| match part { Part::Literal(text) => Some(text.as_str()), Part::Parameter(_) => None });
                leading.collect()
            }).filter(|option: &String| option.starts_with('-')).collect();
            for argument in arguments.iter().filter(|argument| argument.starts_with('-')) {
                let is_option = |option: &String| {
                    argument == option || (option.contains('=') && argument.starts_with(option.as_str()))
                };
                prop_assert!(options.iter().any(is_option), "{argument:?} of {written:?}");
            }
        }
    }

    #[test]
    fn what_is_absent_leaves_its_argument_out_and_what_is_several_repeats_it() {
        let command = Command(vec![
            Argument::One(vec![literal("--name="), param("maybe")]),
            Argument::One(vec![literal("--in="), param("list"), literal("/x")]),
            Argument::When { parameter: "flag".into(), arguments: vec![vec![literal("--force")]] },
            Argument::When { parameter: "maybe".into(), arguments: vec![vec![literal("--as")], vec![param("maybe")]] },
        ]);
        assert_eq!(command.flaws(&parameters()), []);
        let list = |texts: &[&str]| Value::List(texts.iter().map(|text| Value::Text((*text).to_owned())).collect());
        let mut values =
            BTreeMap::from([("list".to_owned(), list(&["a", "b"])), ("flag".to_owned(), Value::Boolean(false))]);
        assert_eq!(command.arguments(&values).unwrap(), ["--in=a/x", "--in=b/x"]);
        values.insert("flag".into(), Value::Boolean(true));
        values.insert("maybe".into(), Value::Text("m".into()));
        values.insert("list".into(), list(&[]));
        assert_eq!(command.arguments(&values).unwrap(), ["--name=m", "--force", "--as", "m"]);
    }

    #[test]
    fn a_value_behind_an_empty_one_cannot_start_an_option_either() {
        let command = Command(vec![Argument::One(vec![param("text"), param("maybe")])]);
        let value = |text: &str| Value::Text(text.to_owned());
        let values = BTreeMap::from([("text".to_owned(), value("")), ("maybe".to_owned(), value("--force"))]);
        let fault = command.arguments(&values).unwrap_err();
        assert_eq!(fault.code(), Code::BAD_PARAMETER);
        assert!(fault.message().contains("parameter `maybe`: \"--force\" is refused"), "{fault}");
    }

    #[test]
    fn arguments_have_a_size() {
        let command = Command(vec![Argument::One(vec![param("list")])]);
        let long = Value::List(vec![Value::Text("x".repeat(4096)); 40]);
        let fault = command.arguments(&BTreeMap::from([("list".to_owned(), long)])).unwrap_err();
        assert!(fault.message().contains("allowed are 131072"), "{fault}");
    }
}
