//! By which protocol a request speaks, and the operation in it.
//!
//! A request that could be read by two protocols is refused: services that speak several decide by headers, path and
//! body, and not all in the same order.

use http::{Method, header};

use super::data::{Level, Protocol, Service};
use super::form::Form;
use super::host::{self, Endpoints, Place, Region};
use super::resource::{Json, Resource, of_json};
use super::rest::{self, Target};
use super::s3;
use crate::aws::request::Request;
use crate::aws::sigv4::{Scope, is_of_signature};

/// Largest body that is read to find an operation or its resource.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;

/// Why an operation is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unrecognised {
    /// Host, service and region do not go together.
    #[error("{host} is not known as a host of {service} in {region}")]
    Host {
        /// The host.
        host: String,
        /// As in the signature.
        service: String,
        /// As in the signature.
        region: String,
    },
    /// No service of this name.
    #[error("{0} is not a service that is known")]
    Service(String),
    /// The service has no such operation, as far as we know.
    #[error("{0} is not an operation that is known of {1}")]
    Operation(String, String),
    /// It could be more than one.
    #[error("which operation is meant is not clear: {0}")]
    Unclear(&'static str),
    /// The body is needed, and larger than the limit.
    #[error("the operation is in the body, which is larger than 1 MiB")]
    BodyTooLarge,
}

/// The body, as far as it was read.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// It was not read, or is larger than [`Wanted`] says.
    NotRead,
}

/// Whether a body has to be read before a request is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// No.
    Nothing,
    /// Up to so many bytes: it may name the resource. Where it is larger, the request is judged without.
    Helpful(usize),
    /// Up to so many bytes: the operation is in it. Where it is larger, the request is refused.
    Needed(usize),
}

/// One thing that a request needs to be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The operation; empty if this need comes from a header or a copy's source.
    pub operation: &'static str,
    /// The IAM action: `s3:PutObject`.
    pub action: String,
    /// Its level.
    pub level: Level,
    /// What it is about.
    pub resource: Resource,
    /// Whether a parameter asks for the value in clear (`WithDecryption` of SSM).
    pub decrypts: bool,
    /// The `LockID` of an item of DynamoDB: Terraform's name for the lock of a state.
    pub lock: Option<String>,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// The IAM prefix of the service.
    pub service: String,
    /// Where.
    pub region: Region,
    /// The operation's name. Of several that are meant, the first.
    pub operation: String,
    /// By which protocol: an answer has to be in the same.
    pub protocol: Protocol,
    /// All of it has to be allowed; never empty.
    pub needs: Vec<Need>,
}

/// Whether the body has to be read.
pub fn wanted(request: &Request) -> Wanted {
    match content_type(request) {
        Some("application/x-www-form-urlencoded") if request.method == Method::POST => Wanted::Needed(BODY_MAX_BYTES),
        Some(json) if json.starts_with("application/x-amz-json") => Wanted::Helpful(BODY_MAX_BYTES),
        _ => Wanted::Nothing,
    }
}

/// Recognises a request.
pub fn recognise(
    request: &Request,
    scope: &Scope,
    endpoints: &Endpoints,
    body: Body<'_>,
) -> Result<Recognised, Unrecognised> {
    if !host::is_service(&scope.service) {
        return Err(Unrecognised::Service(scope.service.clone()));
    }
    let Some(place) = host::place(request.host_name(), scope, endpoints) else {
        return Err(Unrecognised::Host {
            host: request.host_name().into(),
            service: scope.service.clone(),
            region: scope.region.clone(),
        });
    };
    let target = request.headers.contains_key("x-amz-target");
    let cbor = request.headers.contains_key("smithy-protocol");
    let speaks = |protocol| place.services.iter().any(|service| service.speaks(protocol));
    if target && cbor {
        return Err(Unrecognised::Unclear("it has the headers of two protocols"));
    }
    if cbor {
        of_cbor(request, place)
    } else if target {
        of_target(request, place, body)
    } else if request.path == "/" && (speaks(Protocol::Query) || speaks(Protocol::Ec2)) {
        of_form(request, place, body)
    } else {
        of_rest(request, place)
    }
}

fn of_cbor(request: &Request, place: Place) -> Result<Recognised, Unrecognised> {
    let bare = request.parameters.iter().all(|(name, _)| is_of_signature(name));
    let is_cbor = request.header("smithy-protocol") == Some("rpc-v2-cbor")
        && (!request.headers.contains_key(header::CONTENT_TYPE) || content_type(request) == Some("application/cbor"));
    if request.method != Method::POST || !bare || !is_cbor {
        return Err(Unrecognised::Unclear("it is not in the form of its protocol"));
    }
    let parts: Vec<&str> = request.path.split('/').collect();
    let ["", "service", target, "operation", name] = parts.as_slice() else {
        return Err(Unrecognised::Unclear("its path is not /service/…/operation/…"));
    };
    by_name(place, Protocol::Cbor, name, |service| service.target == *target, &Json::unread())
}

fn of_target(request: &Request, place: Place, body: Body<'_>) -> Result<Recognised, Unrecognised> {
    let bare = request.parameters.iter().all(|(name, _)| is_of_signature(name));
    let version = content_type(request).and_then(|kind| kind.strip_prefix("application/x-amz-json-"));
    let (Some(version), true, true, "/") = (version, bare, request.method == Method::POST, request.path.as_str())
    else {
        return Err(Unrecognised::Unclear("it is not in the form of its protocol"));
    };
    let target = request.header("x-amz-target").unwrap_or_default();
    let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
    let is_it = |service: &Service| {
        service.target == prefix && service.protocols.contains(&(Protocol::Json, static_of(version)))
    };
    let found = match (body, request.headers.contains_key(header::CONTENT_ENCODING)) {
        (Body::Whole(bytes), false) => {
            let members = members(&place, Protocol::Json, name, is_it);
            let items = place.services.iter().any(|service| is_it(service) && service.prefix == "dynamodb");
            of_json(&members, items, bytes).map_err(Unrecognised::Unclear)?
        }
        _ => Json::unread(),
    };
    by_name(place, Protocol::Json, name, is_it, &found)
}

fn static_of(version: &str) -> &'static str {
    match version {
        "1.0" => "1.0",
        "1.1" => "1.1",
        _ => "?",
    }
}

fn of_form(request: &Request, place: Place, body: Body<'_>) -> Result<Recognised, Unrecognised> {
    let body = match (&request.method, content_type(request), body) {
        // A form that comes with a GET could count for some.
        (&Method::GET, None, _) if !request.headers.contains_key(header::CONTENT_TYPE) => None,
        (&Method::POST, Some("application/x-www-form-urlencoded"), Body::Whole(bytes)) => Some(bytes),
        (&Method::POST, Some("application/x-www-form-urlencoded"), Body::NotRead) => {
            return Err(Unrecognised::BodyTooLarge);
        }
        _ => return Err(Unrecognised::Unclear("it is neither a GET nor a form")),
    };
    if request.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Unrecognised::Unclear("its form is compressed"));
    }
    let form = Form::read(request, body).map_err(Unrecognised::Unclear)?;
    let (Some(name), Some(version)) = (form.get("Action"), form.get("Version")) else {
        return Err(Unrecognised::Unclear("its form has no Action or no Version"));
    };
    let is_it = |service: &Service| {
        service.version == version && (service.speaks(Protocol::Query) || service.speaks(Protocol::Ec2))
    };
    let ec2 = place.services.iter().any(|service| is_it(service) && service.speaks(Protocol::Ec2));
    let protocol = if ec2 { Protocol::Ec2 } else { Protocol::Query };
    let members = members(&place, protocol, name, is_it);
    let named = members.iter().filter_map(|member| form.get(member)).map(String::from).collect();
    let found = Json { resource: Resource::of(named), ..Json::unread() };
    by_name(place, protocol, name, is_it, &found)
}

/// What names that which an operation is about, in all services that it can be of.
fn members(place: &Place, protocol: Protocol, name: &str, is_it: impl Fn(&Service) -> bool) -> Vec<&'static str> {
    let services = place.services.iter().filter(|service| service.speaks(protocol) && is_it(service));
    let operations = services.filter_map(|service| service.operation(name));
    operations.flat_map(|operation| operation.members.iter().copied()).collect()
}

/// By the operation's name, in all services that it can be of.
fn by_name(
    place: Place,
    protocol: Protocol,
    name: &str,
    is_it: impl Fn(&Service) -> bool,
    found: &Json,
) -> Result<Recognised, Unrecognised> {
    let mut needs: Vec<Need> = Vec::new();
    let mut prefix = None;
    for service in place.services.iter().filter(|service| service.speaks(protocol) && is_it(service)) {
        let Some(operation) = service.operation(name) else { continue };
        prefix.get_or_insert(service.prefix);
        let action = format!("{}:{}", service.prefix, operation.action);
        let Json { resource, decrypts, lock } = found.clone();
        let need = Need { operation: operation.name, action, level: operation.level, resource, decrypts, lock };
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
    let service = prefix.or_else(|| place.services.first().map(|service| service.prefix)).unwrap_or_default();
    if needs.is_empty() {
        return Err(Unrecognised::Operation(shown(name), service.into()));
    }
    Ok(Recognised { service: service.into(), region: place.region, operation: name.into(), protocol, needs })
}

fn of_rest(request: &Request, place: Place) -> Result<Recognised, Unrecognised> {
    let is_s3 = place.services.iter().any(|service| service.id == "s3");
    // Others of the same name may take an action wherever they find one.
    let kind = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let has_form =
        kind.contains("form") || request.parameters.iter().any(|(name, _)| name.eq_ignore_ascii_case("Action"));
    if has_form && place.services.iter().any(|service| service.speaks(Protocol::Query) || service.speaks(Protocol::Ec2))
    {
        return Err(Unrecognised::Unclear("it has the parameters of two protocols"));
    }
    if !is_s3 && request.path.to_ascii_lowercase().contains("%252f") {
        return Err(Unrecognised::Unclear("a slash in its path is encoded twice"));
    }
    let path = if is_s3 { s3::path(request, place.bucket.as_deref()) } else { request.path.clone() };
    let path = if is_s3 && place.bucket.is_none() { s3::without_last_slash(&path) } else { &path };
    let own = |name: &str| is_of_signature(name) || (is_s3 && name == "x-id");
    let query: Vec<(&str, &str)> = request
        .parameters
        .iter()
        .filter(|(name, _)| !own(name))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    if is_s3
        && (1..query.len()).any(|n| query.iter().take(n).any(|(name, _)| query.get(n).is_some_and(|q| q.0 == *name)))
    {
        return Err(Unrecognised::Unclear("a parameter is there more than once"));
    }
    let has_header = |name: &str| request.headers.contains_key(name);
    let target = Target { method: request.method.as_str(), path, query, has_header: &has_header, strict: is_s3 };
    let mut found = rest::find(&place.services, &target);
    // Whether a slash in a name divides a path depends on who decodes first: then both are meant.
    let divided = divided(path).filter(|_| !is_s3);
    if let Some(path) = &divided {
        found.extend(rest::find(&place.services, &Target { path, ..target }));
    }
    let Some(first) = found.first() else {
        let prefix = place.services.first().map_or("", |service| service.prefix);
        let what = format!("{} {}", request.method, shown(&request.path));
        return Err(Unrecognised::Operation(what, prefix.into()));
    };
    let mut stated = request.parameter("x-id");
    if is_s3 && stated.any(|id| found.iter().all(|one| one.operation.name != id)) {
        return Err(Unrecognised::Unclear("x-id names another operation than the rest of the request"));
    }
    let protocol = if first.service.speaks(Protocol::RestXml) { Protocol::RestXml } else { Protocol::RestJson };
    let mut needs = Vec::new();
    for one in &found {
        let resource = if is_s3 { s3::resource(&one.labels) } else { label(&one.labels) };
        let action = if is_s3 { s3::action(request, one.operation.action) } else { one.operation.action };
        let more = if is_s3 { s3::more(request, one.operation.name, &resource) } else { Vec::new() };
        needs.push(Need {
            operation: one.operation.name,
            action: format!("{}:{action}", one.service.prefix),
            level: one.operation.level,
            resource,
            decrypts: true,
            lock: None,
        });
        needs.extend(more);
    }
    Ok(Recognised {
        service: first.service.prefix.into(),
        region: place.region,
        operation: first.operation.name.into(),
        protocol,
        needs,
    })
}

/// A path with its encoded slashes as slashes. `None`: it has none.
fn divided(path: &str) -> Option<String> {
    let divided = path.replace("%2F", "/").replace("%2f", "/");
    (divided != path).then_some(divided)
}

/// The first label of a path names what an operation is about: a function, a cluster, a hosted zone.
fn label(labels: &[String]) -> Resource {
    labels.first().map_or(Resource::Unnamed, |label| Resource::one(label.clone()))
}

/// Without its parameters, of which only a character set that is the default may be there.
fn content_type(request: &Request) -> Option<&str> {
    let value = request.header("content-type")?;
    let (kind, rest) = value.split_once(';').unwrap_or((value, ""));
    let rest = rest.trim();
    let default = rest.is_empty() || rest.eq_ignore_ascii_case("charset=utf-8");
    Some(kind.trim_end()).filter(|_| default)
}

/// Text of a request, for people.
fn shown(text: &str) -> String {
    crate::record::shown(text)
}
