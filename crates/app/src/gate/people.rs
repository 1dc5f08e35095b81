//! Who had a hand in a change, and whether that is who approves it.
//!
//! Tokens and commits name people in different ways. What can be compared is: the same claim of the same issuer, and
//! an address of electronic mail anywhere. A commit's author is what its author wrote there: so this keeps honest
//! people from approving their own changes by mistake, and it cannot be used to get an approval, only to lose one.

use std::collections::BTreeSet;

use portcullis_trust::oidc::Verified;
use serde_json::Value;

/// Claims that name a person, with their issuer: of GitHub, GitLab, and of what people sign in with.
const IDS: &[&str] = &["actor_id", "actor", "user_id", "user_login", "preferred_username", "oid", "upn"];
/// Claims that name a person to everybody.
const ADDRESSES: &[&str] = &["email", "user_email"];

/// The person that a token is about, in each way that it says so. Empty for a token of a machine.
pub(super) fn of_token(who: &Verified) -> BTreeSet<String> {
    let text = |name: &str| match who.claims.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let ids = IDS.iter().filter_map(|name| Some(format!("{} {name} {}", who.issuer, text(name)?)));
    let addresses = ADDRESSES.iter().filter_map(|name| Some(of_address(&text(name)?)));
    ids.chain(addresses).chain([format!("{} sub {}", who.issuer, who.subject)]).collect()
}

/// The person that an address is of.
pub(super) fn of_address(address: &str) -> String {
    format!("email {}", address.to_lowercase())
}
