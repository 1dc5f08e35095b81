//! Our side: the evaluator with the corpus's locals, and `local.unknown`.

use portcullis_hcl::value::Entries;
use portcullis_hcl::{Budget, EmptyScope, File, Limits, Origin, Scope, Value, evaluate};
use portcullis_model::Fault;

use crate::corpus::{Outcome, locals};
use crate::notation;

pub struct Host(Value);

impl Host {
    pub fn new() -> Host {
        let limits = Limits::default();
        let file = File::parse("locals.hcl", locals().as_bytes(), &limits).unwrap();
        let mut entries: Entries = file
            .body()
            .attributes()
            .map(|attribute| {
                let value = evaluate(&attribute.value, &file, &EmptyScope, &Budget::new(&limits)).unwrap();
                (attribute.key.as_str().into(), value)
            })
            .collect();
        entries.insert("unknown".into(), Value::unknown("it is not known", Origin::built_in()));
        Host(Value::object(entries, Origin::built_in()))
    }

    pub fn run(&self, expression: &str) -> Result<Value, Fault> {
        let limits = Limits::default();
        let file = File::parse("corpus.hcl", format!("x = {expression}\n").as_bytes(), &limits)?;
        let attribute = file.body().attributes().next().unwrap();
        evaluate(&attribute.value, &file, self, &Budget::new(&limits))
    }

    /// The value in the corpus's notation, or the code of a fault, which has a place.
    pub fn outcome(&self, expression: &str) -> Outcome {
        match self.run(expression) {
            Ok(value) => Outcome::Value(notation::ours(&value)),
            Err(fault) if fault.place().is_none() => Outcome::Fault(format!("{} without a place", fault.code())),
            Err(fault) => Outcome::Fault(fault.code().to_string()),
        }
    }
}

impl Scope for Host {
    fn resolve(&self, root: &str, steps: &[&str], _: &Origin, _: &Budget) -> Result<Option<(Value, usize)>, Fault> {
        if root != "local" {
            return Ok(None);
        }
        // The longest prefix that is there, as a host may answer.
        match steps.first().and_then(|name| self.0.get(name)) {
            Some(value) => Ok(Some((value.clone(), 1))),
            None => Ok(Some((self.0.clone(), 0))),
        }
    }

    fn call(&self, _: &str, _: &[Value], _: &Origin, _: &Budget) -> Result<Option<Value>, Fault> {
        Ok(None)
    }
}
