//! A question in Cedar's terms: entities, context, request.

use std::collections::HashSet;

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression};
use portcullis_model::{Fault, PrincipalName};

use crate::grants::{Caller, Facts, single};
use crate::schema::Kind;

/// A question, and what is known of who and what is in it.
pub(crate) struct Question {
    pub request: Request,
    pub entities: Entities,
}

/// Who asks, and as which principals.
pub(crate) struct Asker<'a> {
    pub caller: Caller<'a>,
    pub principals: &'a [PrincipalName],
}

/// The question whether somebody may do something.
pub(crate) fn question(
    asker: &Asker<'_>,
    action: &EntityUid,
    account: &EntityUid,
    facts: &Facts<'_>,
    frozen: &[&str],
) -> Result<Question, Fault> {
    let caller = &asker.caller;
    let uid = token(caller.issuer, caller.subject)?;
    let identities = caller.identities.iter().map(|name| string(name));
    let claims = caller.claims.iter().filter_map(|(claim, value)| Some((claim.clone(), string(&single(value)?))));
    let mut entities =
        vec![entity(&uid, identities.collect(), (caller.issuer, caller.subject), asker.principals, claims)?];
    let mut context: Vec<(String, RestrictedExpression)> = vec![
        ("repository".into(), string(facts.repository)),
        ("branch".into(), string(facts.branch)),
        ("protected".into(), RestrictedExpression::new_bool(facts.protected)),
        ("all".into(), RestrictedExpression::new_bool(facts.all)),
        ("units".into(), RestrictedExpression::new_set(facts.units.iter().map(|unit| string(unit)))),
    ];
    let frozen: Vec<EntityUid> = frozen.iter().map(|name| Kind::Freeze.uid(name)).collect::<Result<_, _>>()?;
    context.push((
        "frozen".into(),
        RestrictedExpression::new_set(frozen.into_iter().map(RestrictedExpression::new_entity_uid)),
    ));
    if let Some(requester) = &facts.requester {
        let asked = token(requester.issuer, requester.subject)?;
        // The same one, with another token perhaps: the gate refuses that; here it is who asks now.
        if asked != uid {
            let claims = requester.claims.iter().map(|(claim, value)| (claim.clone(), string(value)));
            let who = (requester.issuer, requester.subject);
            entities.push(entity(&asked, Vec::new(), who, requester.principals, claims)?);
        }
        context.push(("requester".into(), RestrictedExpression::new_entity_uid(asked)));
    }
    let entities = Entities::from_entities(entities, None).map_err(internal)?;
    let context = Context::from_pairs(context).map_err(internal)?;
    let request = Request::new(uid, action.clone(), account.clone(), context, None).map_err(internal)?;
    Ok(Question { request, entities })
}

fn entity(
    uid: &EntityUid,
    identities: Vec<RestrictedExpression>,
    (issuer, subject): (&str, &str),
    principals: &[PrincipalName],
    claims: impl Iterator<Item = (String, RestrictedExpression)>,
) -> Result<Entity, Fault> {
    let attributes = [
        ("identities".to_owned(), RestrictedExpression::new_set(identities)),
        ("issuer".to_owned(), string(issuer)),
        ("subject".to_owned(), string(subject)),
    ];
    let parents: HashSet<EntityUid> =
        principals.iter().map(|name| Kind::Principal.uid(name.as_str())).collect::<Result<_, _>>()?;
    Entity::new_with_tags(uid.clone(), attributes, parents, claims).map_err(internal)
}

/// One identity is one entity, whichever of its tokens it sends.
fn token(issuer: &str, subject: &str) -> Result<EntityUid, Fault> {
    Kind::Token.uid(&format!("{issuer} {subject}"))
}

fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn internal(error: impl std::fmt::Display) -> Fault {
    Fault::internal(format!("a question to the policies: {error}"))
}
