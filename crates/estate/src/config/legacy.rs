//! Spellings of Terragrunt before 1.0 that repositories still have: `skip` stands for an `exclude` block,
//! `retryable_errors` and its companions for an `errors` block. Terragrunt refuses them since 1.0.

use std::collections::BTreeMap;
use std::rc::Rc;

use portcullis_hcl::Value;
use portcullis_model::Fault;

use super::frame::Frame;
use super::sections::{Config, Section};

/// What Terragrunt took where these were not set.
const RETRY_MAX_ATTEMPTS: u32 = 3;
const RETRY_SLEEP_S: u32 = 5;

/// Adds what the older spellings say. Where the block of today is there as well, it counts.
pub(super) fn add(config: &mut Config, frame: &Rc<Frame<'_>>, wanted: impl Fn(&str) -> bool) -> Result<(), Fault> {
    if config.exclude.is_none()
        && wanted("exclude")
        && let Some(attribute) = frame.attribute("skip")
    {
        let skip = frame.evaluate(attribute)?;
        let mut section = Section::new("", skip.origin().clone());
        let all = Value::string("all", skip.origin().clone());
        section.attributes.insert("actions".into(), Value::tuple(vec![all], skip.origin().clone()));
        section.attributes.insert("no_run".into(), Value::bool(true, skip.origin().clone()));
        section.attributes.insert("if".into(), skip);
        config.exclude = Some(section);
    }
    if config.errors.is_none()
        && wanted("errors")
        && let Some(attribute) = frame.attribute("retryable_errors")
    {
        let patterns = frame.evaluate(attribute)?;
        let origin = patterns.origin().clone();
        let mut section = Section::new("retryable_errors", origin.clone());
        section.attributes.insert("retryable_errors".into(), patterns);
        let numbers = [
            ("max_attempts", "retry_max_attempts", RETRY_MAX_ATTEMPTS),
            ("sleep_interval_sec", "retry_sleep_interval_sec", RETRY_SLEEP_S),
        ];
        for (name, spelled, default) in numbers {
            let value = match frame.attribute(spelled) {
                Some(attribute) => frame.evaluate(attribute)?,
                None => Value::number(default, origin.clone()),
            };
            section.attributes.insert(name.into(), value);
        }
        config.errors = Some(BTreeMap::from([("retry", vec![section])]));
    }
    Ok(())
}
