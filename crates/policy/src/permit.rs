//! From grants to Cedar: one `permit` for each right.
//!
//! A permit says the principal's claims itself and asks for membership of the principal as well. So what a policy allows can
//! be read, and proved, from the policy alone, and a mistake in finding out whose token it is lets nobody in.

use std::sync::Arc;

use cedar_policy::{Policy, pst};
use portcullis_model::{ActionKind, Fault, PrincipalName};

use crate::grants::{Principal, Role};
use crate::schema::{Kind, action_id};

/// The permit of one right. `None`: a principal that no token is, for it has no claims, or a claim that may have no value.
pub(crate) fn permit(
    name: &PrincipalName,
    principal: &Principal,
    action: ActionKind,
    role: Role,
    protected: bool,
) -> Result<Option<Policy>, Fault> {
    if principal.claims.is_empty() || principal.claims.values().any(Vec::is_empty) {
        return Ok(None);
    }
    let built = || -> Result<Policy, pst::PstConstructionError> {
        let token = Arc::new(pst::Expr::Var(pst::Var::Principal));
        let identities = attribute(&token, "identities");
        let mut all = binary(pst::BinaryOp::Contains, &identities, &string(&principal.identity));
        for (claim, values) in &principal.claims {
            let claim = string(claim);
            let has = binary(pst::BinaryOp::HasTag, &token, &claim);
            let value = binary(pst::BinaryOp::GetTag, &token, &claim);
            let fits = match values.as_slice() {
                [only] => binary(pst::BinaryOp::Eq, &value, &string(only)),
                several => {
                    let set = pst::Expr::Set(several.iter().map(|value| string(value)).collect());
                    binary(pst::BinaryOp::Contains, &Arc::new(set), &value)
                }
            };
            all = binary(pst::BinaryOp::And, &all, &binary(pst::BinaryOp::And, &has, &fits));
        }
        if protected && role == Role::Start {
            let context = Arc::new(pst::Expr::Var(pst::Var::Context));
            all = binary(pst::BinaryOp::And, &all, &attribute(&context, "protected"));
        }
        let template = pst::Template::new(
            pst::PolicyID(name.as_str().into()),
            pst::Effect::Permit,
            pst::PrincipalConstraint::In(pst::EntityOrSlot::Entity(entity(Kind::Principal, name.as_str())?)),
            pst::ActionConstraint::Eq(entity(Kind::Action, &action_id(action, role))?),
            pst::ResourceConstraint::Any,
        );
        let template = template.try_with_clauses([pst::Clause::When(all)])?;
        Policy::from_pst(pst::Policy::Static(template.try_into()?))
    };
    built().map(Some).map_err(|error| Fault::internal(format!("the policy for `{name}`: {error}")))
}

fn entity(kind: Kind, id: &str) -> Result<pst::EntityUID, pst::PstConstructionError> {
    Ok(pst::EntityUID { ty: pst::EntityType::from_name(pst::Name::unqualified(kind.as_str())?), eid: id.into() })
}

fn string(text: &str) -> Arc<pst::Expr> {
    Arc::new(pst::Expr::Literal(pst::Literal::String(text.into())))
}

fn attribute(of: &Arc<pst::Expr>, name: &str) -> Arc<pst::Expr> {
    Arc::new(pst::Expr::GetAttr { expr: Arc::clone(of), attr: name.into() })
}

fn binary(op: pst::BinaryOp, left: &Arc<pst::Expr>, right: &Arc<pst::Expr>) -> Arc<pst::Expr> {
    Arc::new(pst::Expr::BinaryOp { op, left: Arc::clone(left), right: Arc::clone(right) })
}
