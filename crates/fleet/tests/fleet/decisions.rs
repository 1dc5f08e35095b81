//! Random fleets and random requests: what is decided, what `fleet access` says, and the rules written down in another way
//! never disagree.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_fleet::{Account, Fleet, Right, Role};
use portcullis_model::{ActionKind, Code, PrincipalName};
use portcullis_policy::{Caller, Facts, Requester};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use crate::load;

/// Fleets, each with so many requests: 10,000 cases in all.
const FLEETS: u32 = 400;
const REQUESTS: usize = 25;

const PRINCIPALS: [&str; 5] = ["a", "b", "c", "d", "e"];
const CLAIMS: [&str; 3] = ["id", "ref", "actor"];
const VALUES: [&str; 3] = ["1", "x", "y\"z"];
const ACCOUNTS: [&str; 2] = ["dev", "prod"];

#[derive(Debug, Clone)]
struct Who {
    identity: &'static str,
    claims: BTreeMap<&'static str, Vec<&'static str>>,
}

/// What a policy forbids, when.
#[derive(Debug, Clone)]
enum When {
    Always,
    Is(&'static str),
    Branch(&'static str),
    All,
    Unprotected,
    Frozen,
    Claim(&'static str, &'static str),
    SameActor,
}

#[derive(Debug, Clone)]
struct Forbids {
    /// `None`: about every action.
    about: Option<(ActionKind, Role)>,
    account: Option<&'static str>,
    when: When,
}

#[derive(Debug, Clone)]
struct Plan {
    principals: Vec<Who>,
    plan: Vec<&'static str>,
    apply: Vec<&'static str>,
    approvers: Vec<&'static str>,
    forbids: Vec<Forbids>,
}

fn who() -> impl Strategy<Value = Who> {
    let values = subsequence(VALUES.to_vec(), 1..=2);
    let claims = proptest::collection::btree_map(select(CLAIMS.to_vec()), values, 1..=2);
    (select(vec!["i", "i", "j"]), claims).prop_map(|(identity, claims)| Who { identity, claims })
}

fn forbids() -> impl Strategy<Value = Forbids> {
    let doors = [(ActionKind::Plan, Role::Start), (ActionKind::Apply, Role::Start), (ActionKind::Apply, Role::Approve)];
    let when = prop_oneof![
        Just(When::Always),
        select(PRINCIPALS.to_vec()).prop_map(When::Is),
        select(vec!["main", "x"]).prop_map(When::Branch),
        Just(When::All),
        Just(When::Unprotected),
        Just(When::Frozen),
        (select(CLAIMS.to_vec()), select(VALUES.to_vec())).prop_map(|(claim, value)| When::Claim(claim, value)),
        Just(When::SameActor),
    ];
    let account = proptest::option::weighted(0.3, select(ACCOUNTS.to_vec()));
    (proptest::option::weighted(0.8, select(doors.to_vec())), account, when).prop_map(|(about, account, when)| {
        // Only an approval has a requester.
        let about = if matches!(when, When::SameActor) { Some((ActionKind::Apply, Role::Approve)) } else { about };
        Forbids { about, account, when }
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let names = || subsequence(PRINCIPALS.to_vec(), 0..=3);
    let forbids = proptest::collection::vec(forbids(), 0..=3);
    (proptest::collection::vec(who(), PRINCIPALS.len()), names(), names(), names(), forbids).prop_map(
        |(principals, plan, apply, approvers, forbids)| {
            // Who starts does not approve.
            let approvers = approvers.into_iter().filter(|name| !apply.contains(name)).collect();
            Plan { principals, plan, apply, approvers, forbids }
        },
    )
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}

fn listed(texts: &[&str]) -> String {
    texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")
}

impl Forbids {
    fn cedar(&self) -> String {
        let action = self.about.map_or(String::new(), |(action, role)| match role {
            Role::Start => format!(" == Action::\"{action}\""),
            Role::Approve => format!(" == Action::\"approve:{action}\""),
        });
        let resource = self.account.map_or(String::new(), |name| format!(" == Account::\"{name}\""));
        let principal = match &self.when {
            When::Is(name) => format!(" in Principal::\"{name}\""),
            _ => String::new(),
        };
        let when = match &self.when {
            When::Always | When::Is(_) => String::new(),
            When::Branch(branch) => format!(" when {{ context.branch == \"{branch}\" }}"),
            When::All => " when { context.all }".to_owned(),
            When::Unprotected => " unless { context.protected }".to_owned(),
            When::Frozen => " when { context.frozen.contains(Freeze::\"now\") }".to_owned(),
            When::Claim(claim, value) => format!(
                " when {{ principal.hasTag(\"{claim}\") && principal.getTag(\"{claim}\") == {} }}",
                quoted(value)
            ),
            When::SameActor => " when { principal.hasTag(\"actor\") && context.requester.hasTag(\"actor\") && \
                                principal.getTag(\"actor\") == context.requester.getTag(\"actor\") }"
                .to_owned(),
        };
        format!("forbid (principal{principal}, action{action}, resource{resource}){when};")
    }
}

impl Plan {
    fn text(&self) -> String {
        let mut text = String::from(
            "fleet \"f\" {\n  repository \"r\" {\n    url = \"https://git.example/r\"\n    protected = [\"main\"]\n  }\n  \
             freeze \"now\" {\n    from = \"2026-12-01T00:00:00Z\"\n    until = \"2026-12-02T00:00:00Z\"\n  }\n",
        );
        for (at, forbids) in self.forbids.iter().enumerate() {
            text.push_str(&format!("  policy \"p{at}\" {{\n    cedar = <<EOT\n{}\nEOT\n  }}\n", forbids.cedar()));
        }
        text.push_str("}\nidentity \"i\" {\n  issuer = \"https://i.example\"\n}\nidentity \"j\" {\n  issuer = \"https://j.example\"\n}\n");
        for (name, who) in PRINCIPALS.iter().zip(&self.principals) {
            let claims: Vec<String> =
                who.claims.iter().map(|(claim, values)| format!("{claim} = [{}]", listed(values))).collect();
            text.push_str(&format!(
                "principal \"{name}\" {{\n  identity = \"{}\"\n  claims = {{ {} }}\n}}\n",
                who.identity,
                claims.join(", ")
            ));
        }
        for name in ACCOUNTS {
            text.push_str(&format!(
                "account \"{name}\" {{\n  id = \"{name}\"\n  action \"plan\" {{\n    allow = [{}]\n  }}\n  action \"apply\" {{\n    \
                 allow = [{}]\n    approvers = [{}]\n  }}\n}}\n",
                listed(&self.plan),
                listed(&self.apply),
                listed(&self.approvers)
            ));
        }
        text
    }

    fn named(&self, action: ActionKind, role: Role) -> &[&'static str] {
        match (action, role) {
            (ActionKind::Plan, Role::Start) => &self.plan,
            (ActionKind::Apply, Role::Start) => &self.apply,
            (ActionKind::Apply, Role::Approve) => &self.approvers,
            _ => &[],
        }
    }
}

/// A request, whoever sends it.
#[derive(Debug, Clone)]
struct Request {
    account: &'static str,
    door: (ActionKind, Role),
    identity: &'static str,
    claims: Map<String, Value>,
    branch: &'static str,
    protected: bool,
    all: bool,
    frozen: bool,
    asked_by: Option<&'static str>,
}

fn request() -> impl Strategy<Value = Request> {
    let value = prop_oneof![
        4 => select(VALUES.to_vec()).prop_map(|text| json!(text)),
        1 => select(vec![json!(1), json!(true), json!(null), json!(["x"]), json!({ "x": 1 }), json!(1.0), json!("X"), json!("")]),
    ];
    let claims = proptest::collection::btree_map(select(CLAIMS.to_vec()), value, 0..=3);
    let doors = vec![
        (ActionKind::Plan, Role::Start),
        (ActionKind::Plan, Role::Approve),
        (ActionKind::Apply, Role::Start),
        (ActionKind::Apply, Role::Approve),
    ];
    let who = (select(vec!["i", "i", "j"]), claims, proptest::option::of(select(VALUES.to_vec())));
    let what = (select(ACCOUNTS.to_vec()), select(doors), select(vec!["main", "x"]));
    (who, what, any::<[bool; 3]>()).prop_map(|((identity, claims, asked_by), (account, door, branch), flags)| {
        let claims = claims.into_iter().map(|(claim, value)| (claim.to_owned(), value)).collect();
        let [protected, all, frozen] = flags;
        Request { account, door, identity, claims, branch, protected, all, frozen, asked_by }
    })
}

/// A claim as the definition would write it.
fn plain(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

impl Request {
    fn is(&self, who: &Who) -> bool {
        let fits = |(claim, values): (&&str, &Vec<&str>)| {
            plain(self.claims.get(*claim)).is_some_and(|has| values.contains(&has.as_str()))
        };
        self.identity == who.identity && who.claims.iter().all(fits)
    }

    /// The principals that it is, of those that have the right.
    fn granted(&self, plan: &Plan) -> Vec<&'static str> {
        let who = |name: &&&str| &plan.principals[PRINCIPALS.iter().position(|known| *known == **name).unwrap()];
        plan.named(self.door.0, self.door.1).iter().filter(|name| self.is(who(name))).copied().collect()
    }

    /// The policies that forbid it.
    fn forbidden(&self, plan: &Plan) -> BTreeSet<String> {
        let of = |name: &str| &plan.principals[PRINCIPALS.iter().position(|known| *known == name).unwrap()];
        let hits = |forbids: &&Forbids| {
            forbids.about.is_none_or(|door| door == self.door)
                && forbids.account.is_none_or(|account| account == self.account)
                && match &forbids.when {
                    When::Always => true,
                    When::Is(name) => self.is(of(name)),
                    When::Branch(branch) => self.branch == *branch,
                    When::All => self.all,
                    When::Unprotected => !self.protected,
                    When::Frozen => self.frozen,
                    When::Claim(claim, value) => plain(self.claims.get(*claim)).as_deref() == Some(*value),
                    When::SameActor => {
                        self.asked_by.is_some() && plain(self.claims.get("actor")).as_deref() == self.asked_by
                    }
                }
        };
        let all = plan.forbids.iter().enumerate();
        all.filter(|(_, forbids)| hits(forbids)).map(|(at, _)| format!("p{at}")).collect()
    }

    /// What is decided, and as which principals; and whether there is a right at all.
    fn decided(&self, account: &Account) -> (Option<Vec<String>>, bool, Option<Code>) {
        let identities = BTreeSet::from([self.identity.to_owned()]);
        let caller =
            Caller { identities: &identities, issuer: "https://i.example", subject: "s", claims: &self.claims };
        let asked: BTreeMap<String, String> =
            self.asked_by.iter().map(|actor| ("actor".to_owned(), (*actor).to_owned())).collect();
        let requester = Requester { issuer: "https://i.example", subject: "other", principals: &[], claims: &asked };
        let (action, role) = self.door;
        let facts = Facts {
            repository: "r",
            branch: self.branch,
            protected: self.protected,
            all: self.all,
            units: Vec::new(),
            at: if self.frozen { "2026-12-01T12:00:00Z" } else { "2026-12-02T00:00:00Z" }.parse().unwrap(),
            requester: (role == Role::Approve).then_some(requester),
        };
        let may = account.policies.may(&caller, action, role).allowed;
        let decision = account.policies.decide(&caller, action, role, &facts);
        assert_eq!(decision.allowed, decision.fault.is_none());
        let code = decision.fault.as_ref().map(portcullis_model::Fault::code);
        let names = decision.principals.iter().map(ToString::to_string).collect();
        (decision.allowed.then_some(names), may, code)
    }
}

fn check(plan: &Plan, fleet: &Fleet, request: &Request) -> Result<(), TestCaseError> {
    let account = crate::account(fleet, request.account);
    let (decided, may, code) = request.decided(&account);
    let granted = request.granted(plan);
    let protected = request.door != (ActionKind::Apply, Role::Start) || request.protected;
    let forbidden = request.forbidden(plan);
    prop_assert_eq!(may, !granted.is_empty());
    let wanted = (!granted.is_empty() && protected && forbidden.is_empty())
        .then(|| granted.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    prop_assert_eq!(&decided, &wanted, "{:?} forbidden by {:?}", request, forbidden);
    if granted.is_empty() || !protected {
        prop_assert!(code != Some(Code::FORBIDDEN_BY_POLICY), "who may not do it hears of no policy");
        return Ok(());
    }
    // What is decided is what `fleet access` says.
    let rights = account.rights();
    for name in granted {
        let principal = PrincipalName::parse(name).unwrap();
        let right = rights.get(&Right { action: request.door.0, role: request.door.1, principal });
        match right {
            Some(conditions) => {
                let unless: BTreeSet<String> = conditions.unless.iter().map(|one| one.policy.clone()).collect();
                prop_assert!(forbidden.is_subset(&unless), "{:?} is not told: {:?}", forbidden, unless);
            }
            None => prop_assert!(decided.is_none(), "a right that `fleet access` does not show"),
        }
    }
    Ok(())
}

/// Every right that is shown is one: asked for as its principal, it is allowed, but for what is told.
fn check_rights(plan: &Plan, fleet: &Fleet) -> Result<(), TestCaseError> {
    for access in fleet.access() {
        let account = ACCOUNTS.into_iter().find(|name| *name == access.account.as_str()).unwrap();
        for last in [false, true] {
            let claims = access.conditions.claims.iter().map(|(claim, values)| {
                let value = if last { values.last() } else { values.first() };
                (claim.clone(), json!(value.unwrap()))
            });
            let of = |name: &str| &plan.principals[PRINCIPALS.iter().position(|known| *known == name).unwrap()];
            let request = Request {
                account,
                door: (access.right.action, access.right.role),
                identity: of(access.right.principal.as_str()).identity,
                claims: claims.collect(),
                branch: "other",
                protected: true,
                all: false,
                frozen: false,
                asked_by: None,
            };
            let (decided, _, _) = request.decided(&crate::account(fleet, account));
            if access.conditions.unless.is_empty() {
                let names = decided.unwrap_or_default();
                prop_assert!(
                    names.contains(&access.right.principal.to_string()),
                    "{} is none: {request:?}",
                    access.right
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: FLEETS, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_and_fleet_access_never_disagree(
        plan in plan(),
        requests in proptest::collection::vec(request(), REQUESTS),
    ) {
        let text = plan.text();
        let fleet = match load(&[("portcullis.hcl", &text)]) {
            Ok(fleet) => fleet,
            Err(faults) => {
                // One who starts may be an approver under another name; policies or lists may leave nobody.
                let known = |fault: &portcullis_model::Fault| {
                    matches!(fault.code(), Code::FLEET_INVARIANT | Code::FLEET_LOCKS_OUT)
                };
                prop_assert!(faults.iter().all(known), "{faults:#?}\n{text}");
                return Err(TestCaseError::reject("nobody would run this fleet"));
            }
        };
        for request in &requests {
            check(&plan, &fleet, request)?;
        }
        check_rights(&plan, &fleet)?;
    }
}
