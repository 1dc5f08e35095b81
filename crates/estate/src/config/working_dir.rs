//! `get_working_dir`: where the tool runs. With the native driver that is the folder that the module is copied to,
//! in the sandbox; with Terragrunt it is a folder of its download cache, whose name nobody can rely on.

use std::rc::Rc;

use portcullis_hcl::Value;
use portcullis_model::Fault;

use super::frame::Frame;
use super::functions::Call;
use super::include::Strategy;
use crate::module;

/// Where a sandbox shows the module.
const MODULE: &str = "/work/module";

/// `get_working_dir()`. In the source itself it is empty, as in Terragrunt.
pub(super) fn get_working_dir(call: &Call<'_, '_>) -> Result<Value, Fault> {
    call.arity(0, 0)?;
    // Of an included file the working directory is the child's.
    let child = call.frame.child();
    let frame = child.as_ref().unwrap_or(call.frame);
    let Some(source) =
        frame.memoized("(working directory)", || Ok(source(frame)?.unwrap_or_else(|| Value::null(call.at.clone()))))
    else {
        return Ok(call.text(""));
    };
    let source = source?;
    if source.is_unknown() {
        return Ok(Value::derived(call.name, &[source], call.at.clone()));
    }
    let text = if source.is_null() { "".into() } else { source.want_string("`source` of `terraform`")? };
    let sub = subfolder(&text);
    // Without a source the unit's folder is the module. It keeps its place among what it refers to.
    let session = frame.session;
    if text.is_empty() && session.unit_dir() != "." && module::leads_out(session.reader, session.unit_dir())? {
        return Ok(call.text(&format!("{MODULE}/{}", session.unit_dir())));
    }
    Ok(call.text(&if sub.is_empty() { MODULE.to_owned() } else { format!("{MODULE}/{sub}") }))
}

/// The source that applies to a frame: its own, else that of the last include that has one.
fn source(frame: &Rc<Frame<'_>>) -> Result<Option<Value>, Fault> {
    let own = frame.blocks("terraform").find_map(|block| block.body.get_attribute("source"));
    if let Some(attribute) = own {
        return frame.evaluate(attribute).map(Some);
    }
    for include in frame.includes()?.iter().rev().filter(|include| include.strategy != Strategy::None) {
        if let Some(value) = source(&include.frame)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// What follows `//` in a source, without a query.
fn subfolder(source: &str) -> &str {
    let start = source.find("://").map_or(0, |at| at + 3);
    let rest = source.get(start..).unwrap_or_default();
    let sub = rest.split_once("//").map_or("", |(_, sub)| sub);
    sub.split('?').next().unwrap_or_default().trim_matches('/')
}

#[cfg(test)]
mod tests {
    use super::subfolder;

    #[test]
    fn the_folder_behind_two_slashes_counts() {
        assert_eq!(subfolder("../../modules//app/web"), "app/web");
        assert_eq!(subfolder("git::https://example.com/m.git//net/vpc?ref=v1"), "net/vpc");
        assert_eq!(subfolder("https://example.com/m.zip"), "");
        assert_eq!(subfolder("../modules/app"), "");
    }
}
