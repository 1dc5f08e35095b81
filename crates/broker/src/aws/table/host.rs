//! A host and the scope of a signature: which service and region, if the two agree.

use super::data::{self, Service};
use crate::aws::sigv4::Scope;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Region {
    /// To a region.
    Named(String),
    /// To a service without regions, such as IAM.
    Global,
}

impl std::fmt::Display for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Region::Named(name) => f.write_str(name),
            Region::Global => f.write_str("global"),
        }
    }
}

/// Hosts beyond AWS's own that answer as AWS: names without a port, in lower case. Of a VPC endpoint, or of a double of
/// AWS in tests. They stand for every service and region; of S3, in path style.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints(pub Vec<String>);

/// What a host stands for.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) services: Vec<&'static Service>,
    pub(super) region: Region,
    /// The bucket that a host of S3 names.
    pub(super) bucket: Option<String>,
}

/// The names of S3's hosts that a bucket can stand in front of.
const S3_REGIONAL: [&str; 4] = ["s3", "s3-fips", "s3.dualstack", "s3-fips.dualstack"];
const S3_GLOBAL: [&str; 1] = ["s3"];

/// Whether a host is one of AWS's own.
pub fn is_aws(host: &str) -> bool {
    let under = |suffix: &str| host.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
    data::suffixes().iter().any(|(suffix, _)| under(suffix))
}

/// Whether the table has a service of this name.
pub(super) fn is_service(signing: &str) -> bool {
    !data::services(signing).is_empty()
}

/// Finds the services. `None`: the host is not one of that service, or of another region.
pub(super) fn place(host: &str, scope: &Scope, endpoints: &Endpoints) -> Option<Place> {
    let named = data::services(&scope.service);
    if endpoints.0.iter().any(|known| known == host) {
        // S3 Control has the same name in signatures; which of the two is meant only a host of AWS's own tells.
        let services: Vec<&Service> = named.iter().filter(|service| service.id != "s3control").collect();
        // As it would be at AWS's own host of such a service.
        let is_global = services.iter().all(|service| !service.global.is_empty())
            && data::suffixes().iter().any(|(_, region)| *region == scope.region);
        let region = if is_global { Region::Global } else { Region::Named(scope.region.clone()) };
        return Some(Place { services, region, bucket: None });
    }
    let (rest, suffix) = data::suffixes()
        .iter()
        .find_map(|(suffix, _)| Some((host.strip_suffix(suffix)?.strip_suffix('.')?, *suffix)))?;
    let is_global = |region: &str| data::suffixes().contains(&(suffix, region));
    let (name, region) = match rest.rsplit_once('.') {
        Some((name, region)) if region == scope.region => (name, Region::Named(region.into())),
        _ if is_global(&scope.region) => (rest.strip_suffix(".global").unwrap_or(rest), Region::Global),
        _ => return None,
    };
    let global = region == Region::Global;
    // S3's host without a region is that of a region.
    let region = if scope.service == "s3" { Region::Named(scope.region.clone()) } else { region };
    let mut place = Place { services: Vec::new(), region, bucket: None };
    for service in named {
        let names = if global { &service.global } else { &service.regional };
        if service.id == "s3" {
            let bases: &[&str] = if global { &S3_GLOBAL } else { &S3_REGIONAL };
            let bucket = bases.iter().find_map(|base| match name.strip_suffix(base)? {
                "" => Some(None),
                rest => {
                    rest.strip_suffix('.').filter(|bucket| is_bucket(bucket)).map(|bucket| Some(bucket.to_string()))
                }
            });
            if let Some(bucket) = bucket {
                place.bucket = bucket;
                place.services.push(service);
            }
        } else if names.iter().any(|pattern| matches(pattern, name)) {
            place.services.push(service);
        }
    }
    if place.services.is_empty() { None } else { Some(place) }
}

/// `*` is one label.
fn matches(pattern: &str, name: &str) -> bool {
    let (mut patterns, mut labels) = (pattern.split('.'), name.split('.'));
    loop {
        match (patterns.next(), labels.next()) {
            (None, None) => return true,
            (Some("*"), Some(label)) if !label.is_empty() => {}
            (Some(pattern), Some(label)) if pattern == label => {}
            _ => return false,
        }
    }
}

/// Names of buckets, but for old ones with capital letters, which no host can name.
pub(super) fn is_bucket(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && name.split('.').all(|part| !part.is_empty())
        // Of access points, and of buckets in one zone: they mean other resources.
        && !["-s3alias", "--ol-s3", "--x-s3", "--table-s3", ".mrap"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(host: &str, service: &str, region: &str) -> Option<(String, String, Option<String>)> {
        let scope = Scope { date: "20260101".into(), region: region.into(), service: service.into() };
        let place = place(host, &scope, &Endpoints(vec!["10.9.9.9".into()]))?;
        let mut ids: Vec<&str> = place.services.iter().map(|service| service.id).collect();
        ids.dedup();
        Some((ids.join(" "), place.region.to_string(), place.bucket))
    }

    #[test]
    fn a_host_and_a_scope_have_to_agree() {
        let yes = |host, service, region, ids: &str, at: &str, bucket: Option<&str>| {
            assert_eq!(ask(host, service, region), Some((ids.into(), at.into(), bucket.map(String::from))), "{host}");
        };
        let (eu, us) = ("eu-west-1", "us-east-1");
        yes("ec2.eu-west-1.amazonaws.com", "ec2", eu, "ec2", eu, None);
        yes("ec2.eu-west-1.api.aws", "ec2", eu, "ec2", eu, None);
        yes("monitoring.eu-west-1.amazonaws.com", "monitoring", eu, "cloudwatch", eu, None);
        yes("api.ecr.eu-west-1.amazonaws.com", "ecr", eu, "ecr", eu, None);
        yes("dynamodb.eu-west-1.amazonaws.com", "dynamodb", eu, "dynamodb", eu, None);
        yes("123456789012.ddb.eu-west-1.amazonaws.com", "dynamodb", eu, "dynamodb", eu, None);
        yes("streams.dynamodb.eu-west-1.amazonaws.com", "dynamodb", eu, "dynamodbstreams", eu, None);
        yes("iam.amazonaws.com", "iam", us, "iam", "global", None);
        yes("route53.amazonaws.com", "route53", us, "route53", "global", None);
        yes("sts.amazonaws.com", "sts", us, "sts", "global", None);
        yes("sts.eu-west-1.amazonaws.com", "sts", eu, "sts", eu, None);
        yes("organizations.us-east-1.amazonaws.com", "organizations", us, "organizations", us, None);
        yes("s3.eu-west-1.amazonaws.com", "s3", eu, "s3", eu, None);
        yes("s3.amazonaws.com", "s3", us, "s3", us, None);
        yes("my.bucket.s3.eu-west-1.amazonaws.com", "s3", eu, "s3", eu, Some("my.bucket"));
        yes("bkt.s3.dualstack.eu-west-1.amazonaws.com", "s3", eu, "s3", eu, Some("bkt"));
        yes("bkt.s3.amazonaws.com", "s3", us, "s3", us, Some("bkt"));
        yes("123456789012.s3-control.eu-west-1.amazonaws.com", "s3", eu, "s3control", eu, None);
        yes("ec2.cn-north-1.amazonaws.com.cn", "ec2", "cn-north-1", "ec2", "cn-north-1", None);
        yes("iam.us-gov.amazonaws.com", "iam", "us-gov-west-1", "iam", "global", None);
        yes("10.9.9.9", "s3", eu, "s3", eu, None);
        yes("10.9.9.9", "route53", us, "route53", "global", None);
        yes("10.9.9.9", "ec2", us, "ec2", us, None);
        for (host, service, region) in [
            ("ec2.eu-west-1.amazonaws.com", "ec2", "us-east-1"),
            ("ec2.eu-west-1.amazonaws.com", "iam", "eu-west-1"),
            ("iam.amazonaws.com", "iam", "eu-west-1"),
            ("iam.amazonaws.com", "sts", "us-east-1"),
            ("bkt.s3.amazonaws.com", "s3", "eu-west-1"),
            ("ec2.eu-west-1.amazonaws.com.evil.example", "ec2", "eu-west-1"),
            ("evil.ec2.eu-west-1.amazonaws.com", "ec2", "eu-west-1"),
            ("xec2.eu-west-1.amazonaws.com", "ec2", "eu-west-1"),
            ("amazonaws.com", "ec2", "eu-west-1"),
            ("abc.execute-api.eu-west-1.amazonaws.com", "lambda", "eu-west-1"),
            ("x.s3-accesspoint.eu-west-1.amazonaws.com", "s3", "eu-west-1"),
            ("bkt--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com", "s3express", "us-east-1"),
            ("name-s3alias.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1"),
            (".s3.eu-west-1.amazonaws.com", "s3", "eu-west-1"),
            ("a..b.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1"),
            ("10.9.9.8", "s3", "eu-west-1"),
        ] {
            assert_eq!(ask(host, service, region), None, "{host} {service} {region}");
        }
    }
}
