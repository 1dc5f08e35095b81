//! What is asked for: the arguments that asking for an action and explaining it have in common.

use std::collections::BTreeMap;

use portcullis_model::api::TriggerRequest;
use portcullis_model::id::quoted;
use portcullis_model::parameter::Given;
use portcullis_model::{ActionKind, Code, Fault};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct Request {
    /// What to do: plan, apply, or another action of the account (`portcullis describe` lists them)
    #[arg(value_parser = ActionKind::parse)]
    action: ActionKind,
    /// The repository, as portcullis.hcl names it
    #[arg(long, value_name = "NAME")]
    repository: String,
    /// The branch, such as main or refs/heads/main
    #[arg(long = "ref", value_name = "REF")]
    reference: String,
    /// Only this unit; may be given several times
    #[arg(long = "unit", value_name = "PATH", conflicts_with = "all")]
    units: Vec<String>,
    /// Every unit of the account, affected or not
    #[arg(long)]
    all: bool,
    /// A parameter of the action: NAME=TEXT, or NAME:=JSON for lists and maps; once for each
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
}

impl Request {
    /// As it is sent.
    ///
    /// # Errors
    /// `PC-0001` for a parameter that is not understood, or is given twice.
    pub fn body(self) -> Result<TriggerRequest, Fault> {
        Ok(TriggerRequest {
            action: self.action.to_string(),
            repository: self.repository,
            reference: self.reference,
            units: (!self.units.is_empty()).then_some(self.units),
            all: self.all,
            parameters: parameters(&self.parameters)?,
        })
    }
}

fn parameters(given: &[String]) -> Result<BTreeMap<String, Given>, Fault> {
    let mut parameters = BTreeMap::new();
    for text in given {
        let refuse = |why: &str| {
            Fault::new(Code::USAGE, format!("the parameter {} is not understood: {why}", quoted(text)))
                .remedy("Write `--param name=text`, or `--param 'name:=[\"a\", \"b\"]'` for a list or map.")
        };
        let (name, value) = text.split_once('=').ok_or_else(|| refuse("it has no `=`"))?;
        let (name, value) = match name.strip_suffix(':') {
            None => (name, Given::Text(value.to_owned())),
            Some(name) => (name, serde_json::from_str(value).map_err(|error| refuse(&format!("its JSON: {error}")))?),
        };
        if parameters.insert(name.to_owned(), value).is_some() {
            return Err(refuse("it is given twice"));
        }
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[&str]) -> Result<BTreeMap<String, Given>, Fault> {
        parameters(&given.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_parameter_is_text_unless_it_says_that_it_is_json() {
        let read = read(&["a=1", "b=x=y", "c=", "d:=[\"x\"]", "e:=true", "f=:=1"]).unwrap();
        let text = |text: &str| Given::Text(text.to_owned());
        let wanted = [
            ("a", text("1")),
            ("b", text("x=y")),
            ("c", text("")),
            ("d", Given::List(vec![text("x")])),
            ("e", Given::Boolean(true)),
            ("f", text(":=1")),
        ];
        assert_eq!(read, wanted.map(|(name, value)| (name.to_owned(), value)).into());
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for bad in [&["a"][..], &["a=1", "a=2"], &["a=1", "a:=1"], &["a:=[1"], &["a:={\"x\":1,\"x\":2}"]] {
            assert_eq!(read(bad).unwrap_err().code(), Code::USAGE, "{bad:?}");
        }
    }
}
