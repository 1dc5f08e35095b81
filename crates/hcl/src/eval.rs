//! The evaluator.

use std::sync::Arc;

use hcl_edit::expr::Expression;
use portcullis_model::{Code, Fault};

use crate::{Budget, File, Origin, Scope, Value};

/// Evaluates an expression of a file. Names and host functions are answered by `scope`.
pub fn evaluate(expr: &Expression, file: &Arc<File>, scope: &dyn Scope, budget: &Budget) -> Result<Value, Fault> {
    let (_, _) = (scope, budget);
    Err(Origin::of(file, expr).fault(Code::HCL_UNSUPPORTED, "the expression is not understood"))
}

/// Renders a whole file as a template (as `templatefile` does). The file is made with [`File::plain`].
pub fn render(file: &Arc<File>, scope: &dyn Scope, budget: &Budget) -> Result<Value, Fault> {
    let (_, _) = (scope, budget);
    Err(Origin::new(file, 0..0).fault(Code::HCL_UNSUPPORTED, "the template is not understood"))
}
