//! Where a task's sandbox may connect, and which credentials the runner adds on the way.
//!
//! Nothing is reached that is not named here, host by host. A credential's value is never in the definition: it names a
//! secret that the runner has.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use portcullis_hcl::{Origin, Value};
use portcullis_model::id::quoted;
use portcullis_model::state::STATE_HOST;
use portcullis_model::{Code, Fault, Reach, Scheme, Target};
use serde::Serialize;

use crate::decode::{leaf, map};
use crate::layer::Tree;
use crate::principals::unknown_name;
use crate::read::{text, texts, wrong};

/// Most hosts of one `egress` block, and most blocks.
const HOSTS_MAX: usize = 100;
/// Longest name of a block, a secret, a header or a user, in bytes.
const NAME_MAX_BYTES: usize = 64;

/// What a sandbox does when it asks for a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPhase {
    /// A plan is made.
    Plan,
    /// A plan is applied.
    Apply,
}

impl NetworkPhase {
    /// All of them.
    pub const ALL: [NetworkPhase; 2] = [NetworkPhase::Plan, NetworkPhase::Apply];

    /// As the definition spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            NetworkPhase::Plan => "plan",
            NetworkPhase::Apply => "apply",
        }
    }
}

impl fmt::Display for NetworkPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Hosts that may be reached: `egress "NAME" { … }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EgressRule {
    /// The hosts. Never empty.
    pub hosts: Vec<Target>,
    /// In which phases.
    pub phases: Vec<NetworkPhase>,
    /// Whether their names may stand for this machine or a private network.
    pub private: bool,
    /// Where the host is, if it is not to be looked up.
    pub address: Option<SocketAddr>,
}

/// What the runner adds to requests to a host: `credential "NAME" { … }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialRule {
    /// The host. An `egress` block allows it in each of the phases.
    pub host: Target,
    /// In which phases.
    pub phases: Vec<NetworkPhase>,
    /// The header that is set.
    pub header: String,
    /// How its value is made of the secret.
    pub form: CredentialForm,
    /// The secret's name on the runner.
    pub secret: String,
}

/// How a header's value is made of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "scheme", rename_all = "kebab-case")]
pub enum CredentialForm {
    /// `Bearer SECRET`.
    Bearer,
    /// `Basic`, of a user and the secret as the password (RFC 7617).
    Basic {
        /// The user.
        username: String,
    },
    /// The secret as it is.
    Plain,
}

/// The `egress` blocks, by name.
pub(crate) fn egress(tree: &Tree) -> Result<BTreeMap<String, EgressRule>, Fault> {
    let mut rules = BTreeMap::new();
    let mut taken: BTreeMap<(Target, NetworkPhase), String> = BTreeMap::new();
    let Some((blocks, origin)) = map(tree, "egress")? else { return Ok(rules) };
    if blocks.len() > HOSTS_MAX {
        return Err(too_many("`egress` blocks", blocks.len(), origin));
    }
    for name in blocks.keys() {
        let Some((body, origin)) = map(blocks, name)? else { continue };
        check_name(name, origin)?;
        let rule = rule(body, origin)?;
        for (host, phase) in rule.hosts.iter().flat_map(|host| rule.phases.iter().map(move |phase| (host, *phase))) {
            if let Some(other) = taken.insert((host.clone(), phase), name.clone()) {
                return Err(origin
                    .fault(
                        Code::FLEET_DUPLICATE,
                        format!("`egress` {} and {} both allow {host} in `{phase}`", quoted(&other), quoted(name)),
                    )
                    .remedy("Name a host in one block for each phase."));
            }
        }
        rules.insert(name.clone(), rule);
    }
    Ok(rules)
}

fn rule(body: &Tree, origin: &Origin) -> Result<EgressRule, Fault> {
    let hosts = match leaf(body, "hosts", "a list of hosts")? {
        None => Vec::new(),
        Some(value) => {
            let given = texts(value, "`hosts`")?;
            if given.len() > HOSTS_MAX {
                return Err(too_many("hosts", given.len(), value.origin()));
            }
            let places = value.as_seq().unwrap_or_default();
            given.iter().zip(places).map(|(text, at)| host(text, at)).collect::<Result<_, _>>()?
        }
    };
    if hosts.is_empty() {
        return Err(origin.fault(Code::FLEET_TYPE, "`egress` names no host").remedy(
            "Add `hosts = [\"registry.terraform.io\"]`, or take the block away: nothing is reached by itself.",
        ));
    }
    let private = match leaf(body, "private", "`true` or `false`")? {
        None => false,
        Some(value) => value.as_bool().ok_or_else(|| wrong(value, "`private`", "`true` or `false`"))?,
    };
    let address = match leaf(body, "address", "a string")? {
        None => None,
        Some(value) => Some(address(value, &hosts)?),
    };
    Ok(EgressRule { hosts, phases: phases(body)?, private, address })
}

fn host(text: &str, at: &Value) -> Result<Target, Fault> {
    let refused = |why: String| {
        at.fault(Code::FLEET_TYPE, format!("{} is no host that can be allowed: {why}", quoted(text))).remedy(
            "Write a host, with its port if it is not 443: `github.com`, `git.example.com:8443`, \
             `http://10.0.0.5:5000`.",
        )
    };
    let target = Target::parse(text).map_err(refused)?;
    if target.host == STATE_HOST {
        return Err(refused("it is the runner's own state store, which each task reaches by itself".into()));
    }
    if target.address().is_some_and(|address| Reach::of(address) == Reach::Never) {
        return Err(refused("it is a metadata service, the link, or no address of a host".into()));
    }
    Ok(target)
}

fn address(value: &Value, hosts: &[Target]) -> Result<SocketAddr, Fault> {
    let given = text(value, "`address`")?;
    let refused = |why: &str| {
        value
            .fault(Code::FLEET_TYPE, format!("`address` cannot be {}: {why}", quoted(&given)))
            .remedy("Write the address and port where the one host of the block is, such as `10.0.0.5:8443`.")
    };
    if hosts.len() != 1 {
        return Err(refused("the block names more than one host"));
    }
    let address: SocketAddr = given.parse().map_err(|_| refused("it is no address with a port"))?;
    match Reach::of(address.ip()) {
        Reach::Never => Err(refused("it is a metadata service, the link, or no address of a host")),
        _ if address.port() == 0 => Err(refused("it is no address with a port")),
        _ => Ok(address),
    }
}

/// Phases; all of them when none are stated.
fn phases(body: &Tree) -> Result<Vec<NetworkPhase>, Fault> {
    let Some(value) = leaf(body, "phases", "a list of phases")? else { return Ok(NetworkPhase::ALL.to_vec()) };
    let mut phases = Vec::new();
    for (text, at) in texts(value, "`phases`")?.iter().zip(value.as_seq().unwrap_or_default()) {
        let known = NetworkPhase::ALL.into_iter().find(|phase| phase.as_str() == text);
        let names = NetworkPhase::ALL.into_iter().map(NetworkPhase::as_str);
        phases.push(known.ok_or_else(|| unknown_name(at, "phase", text, names))?);
    }
    phases.sort();
    phases.dedup();
    if phases.is_empty() {
        return Err(value
            .fault(Code::FLEET_TYPE, "`phases` is empty")
            .remedy("Take it out: it is for every phase then."));
    }
    Ok(phases)
}

/// The `credential` blocks, by name.
pub(crate) fn credentials(
    tree: &Tree,
    egress: &BTreeMap<String, EgressRule>,
) -> Result<BTreeMap<String, CredentialRule>, Fault> {
    let mut rules = BTreeMap::new();
    let Some((blocks, origin)) = map(tree, "credential")? else { return Ok(rules) };
    if blocks.len() > HOSTS_MAX {
        return Err(too_many("`credential` blocks", blocks.len(), origin));
    }
    for name in blocks.keys() {
        let Some((body, origin)) = map(blocks, name)? else { continue };
        check_name(name, origin)?;
        let rule = credential(body, origin)?;
        for phase in &rule.phases {
            let allows = |one: &EgressRule| one.hosts.contains(&rule.host) && one.phases.contains(phase);
            if !egress.values().any(allows) {
                return Err(origin
                    .fault(
                        Code::FLEET_UNKNOWN_NAME,
                        format!(
                            "`credential` {} is for {}, which no `egress` allows in `{phase}`",
                            quoted(name),
                            rule.host
                        ),
                    )
                    .remedy("Add the host to an `egress` block, or narrow `phases`."));
            }
            let same = |other: &&CredentialRule| {
                other.host == rule.host
                    && other.phases.contains(phase)
                    && other.header.eq_ignore_ascii_case(&rule.header)
            };
            if rules.values().find(same).is_some() {
                return Err(origin
                    .fault(
                        Code::FLEET_DUPLICATE,
                        format!("two credentials set `{}` for {} in `{phase}`", rule.header, rule.host),
                    )
                    .remedy("Keep one of the two."));
            }
        }
        rules.insert(name.clone(), rule);
    }
    Ok(rules)
}

fn credential(body: &Tree, origin: &Origin) -> Result<CredentialRule, Fault> {
    let missing = |name: &str, example: &str| {
        origin.fault(Code::FLEET_TYPE, format!("`{name}` is missing")).remedy(format!("Add `{name} = {example}`."))
    };
    let at = leaf(body, "host", "a host")?.ok_or_else(|| missing("host", "\"github.com\""))?;
    let host = host(&text(at, "`host`")?, at)?;
    let here = host.is_loopback() || host.address().is_some_and(|address| Reach::of(address) == Reach::Private);
    if host.scheme == Scheme::Http && !here {
        return Err(at
            .fault(Code::FLEET_TYPE, format!("a credential for {host} would travel in the clear"))
            .remedy("Use `https`. Plain `http` is for addresses of a private network or this machine."));
    }
    let Some((value, _)) = map(body, "value")? else { return Err(missing("value", "secret(\"name\")")) };
    let secret = leaf(value, "secret", "a string")?.ok_or_else(|| missing("value", "secret(\"name\")"))?;
    let secret = short(secret, "a secret's name", |c| c.is_ascii_alphanumeric() || "-_.".contains(c))?;
    let header = match leaf(body, "header", "a string")? {
        None => "Authorization".to_owned(),
        Some(value) => {
            let header = short(value, "`header`", |c| c.is_ascii_alphanumeric() || c == '-')?;
            let framing = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "expect"];
            if framing.iter().any(|name| header.eq_ignore_ascii_case(name)) {
                return Err(value
                    .fault(Code::FLEET_TYPE, format!("`header` cannot be {}", quoted(&header)))
                    .remedy("Name the header that the service takes its credential from."));
            }
            header
        }
    };
    let username = match leaf(body, "username", "a string")? {
        None => None,
        Some(value) => Some((short(value, "`username`", |c| c.is_ascii_graphic() && c != ':')?, value)),
    };
    let default = if header.eq_ignore_ascii_case("authorization") { "bearer" } else { "plain" };
    let (scheme, at) = match leaf(body, "scheme", "a string")? {
        None if username.is_some() => ("basic".to_owned(), None),
        None => (default.to_owned(), None),
        Some(value) => (text(value, "`scheme`")?, Some(value)),
    };
    let form = match (scheme.as_str(), username) {
        ("basic", Some((username, _))) => CredentialForm::Basic { username },
        ("basic", None) => return Err(missing("username", "\"x-access-token\"")),
        ("bearer" | "plain", Some((_, at))) => {
            return Err(at
                .fault(Code::FLEET_TYPE, format!("`username` means nothing for `{scheme}`"))
                .remedy("Take it out, or write `scheme = \"basic\"`."));
        }
        ("bearer", None) => CredentialForm::Bearer,
        ("plain", None) => CredentialForm::Plain,
        (other, _) => {
            let fault = match at {
                Some(at) => unknown_name(at, "scheme", other, ["bearer", "basic", "plain"].into_iter()),
                None => Fault::internal("a scheme came from nowhere"),
            };
            return Err(fault);
        }
    };
    Ok(CredentialRule { host, phases: phases(body)?, header, form, secret })
}

/// A short text of certain characters.
fn short(value: &Value, what: &str, allowed: impl Fn(char) -> bool) -> Result<String, Fault> {
    let given = text(value, what)?;
    if given.is_empty() || given.len() > NAME_MAX_BYTES || !given.chars().all(allowed) || given.starts_with(['.', '-'])
    {
        return Err(value
            .fault(Code::FLEET_TYPE, format!("{what} cannot be {}", quoted(&given)))
            .remedy(format!("Use letters, digits and `-`, at most {NAME_MAX_BYTES} characters.")));
    }
    Ok(given)
}

fn check_name(name: &str, origin: &Origin) -> Result<(), Fault> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if name.is_empty() || name.len() > NAME_MAX_BYTES || !name.chars().all(plain) {
        return Err(origin
            .fault(Code::FLEET_TYPE, format!("{} is no name for a block", quoted(name)))
            .remedy(format!("Use a-z, 0-9, `-` and `_`, at most {NAME_MAX_BYTES} characters.")));
    }
    Ok(())
}

fn too_many(what: &str, count: usize, at: &Origin) -> Fault {
    at.fault(Code::FLEET_TYPE, format!("there are {count} {what}, allowed are {HOSTS_MAX}")).remedy("Name fewer.")
}
