//! Requests to S3: their bucket and key, and what they need beyond their operation.
//!
//! Source: S3 user guide, *Required permissions for Amazon S3 API operations*.

use super::data::Level;
use super::recognise::Need;
use super::resource::Resource;
use crate::aws::encode::decode;
use crate::aws::request::Request;

/// Operations whose action is another one if a version is named.
const OF_A_VERSION: [(&str, &str); 9] = [
    ("GetObject", "GetObjectVersion"),
    ("DeleteObject", "DeleteObjectVersion"),
    ("GetObjectAcl", "GetObjectVersionAcl"),
    ("PutObjectAcl", "PutObjectVersionAcl"),
    ("GetObjectTagging", "GetObjectVersionTagging"),
    ("PutObjectTagging", "PutObjectVersionTagging"),
    ("DeleteObjectTagging", "DeleteObjectVersionTagging"),
    ("GetObjectAttributes", "GetObjectVersionAttributes"),
    ("GetObjectTorrent", "GetObjectVersionTorrent"),
];

/// A request in path style: a bucket that the host names is its first segment.
pub(super) fn path(request: &Request, bucket: Option<&str>) -> String {
    match bucket {
        None => request.path.clone(),
        // A bucket's own path is `/`, and an object's key begins after it.
        Some(bucket) if request.path == "/" => format!("/{bucket}"),
        Some(bucket) => format!("/{bucket}{}", request.path),
    }
}

/// The bucket's own path in path style has a slash at its end for some clients.
pub(super) fn without_last_slash(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some(bucket) if bucket.len() > 1 && !bucket.get(1..).unwrap_or_default().contains('/') => bucket,
        _ => path,
    }
}

/// The action that a version makes of an operation's.
pub(super) fn action(request: &Request, action: &'static str) -> &'static str {
    let versioned = request.parameter("versionId").next().is_some();
    let other = OF_A_VERSION.iter().find(|(plain, _)| versioned && *plain == action);
    other.map_or(action, |(_, other)| other)
}

/// What the labels of a path name.
pub(super) fn resource(labels: &[String]) -> Resource {
    match labels {
        [] => Resource::Unnamed,
        labels => Resource::one(labels.join("/")),
    }
}

/// What else a request needs: the source of a copy, and what it sets by a header.
pub(super) fn more(request: &Request, operation: &str, resource: &Resource) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut need = |action: &str, level, resource: &Resource| {
        needs.push(Need {
            operation: "",
            action: format!("s3:{action}"),
            level,
            resource: resource.clone(),
            decrypts: true,
            lock: None,
        });
    };
    if let Some(source) = request.headers.get("x-amz-copy-source") {
        let source = source.to_str().ok().and_then(source_of).map_or(Resource::Unnamed, Resource::one);
        need("GetObject", Level::Read, &source);
    }
    let has = |name: &str| request.headers.contains_key(name);
    let grants = request.headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    if has("x-amz-acl") || grants {
        let action = if operation.contains("Bucket") { "PutBucketAcl" } else { "PutObjectAcl" };
        need(action, Level::Permissions, resource);
    }
    if has("x-amz-tagging") {
        need("PutObjectTagging", Level::Tagging, resource);
    }
    if has("x-amz-object-lock-mode") || has("x-amz-object-lock-retain-until-date") {
        need("PutObjectRetention", Level::Write, resource);
    }
    if has("x-amz-object-lock-legal-hold") {
        need("PutObjectLegalHold", Level::Write, resource);
    }
    if has("x-amz-bucket-object-lock-enabled") {
        need("PutBucketObjectLockConfiguration", Level::Write, resource);
    }
    if has("x-amz-object-ownership") {
        need("PutBucketOwnershipControls", Level::Permissions, resource);
    }
    if has("x-amz-bypass-governance-retention") {
        need("BypassGovernanceRetention", Level::Permissions, resource);
    }
    needs
}

/// `/bucket/key?versionId=…` → `bucket/key`. `None`: of an access point, or not clear.
fn source_of(header: &str) -> Option<String> {
    let path = header.split_once('?').map_or(header, |(path, _)| path);
    let decoded = decode(path)?;
    let name = decoded.strip_prefix('/').unwrap_or(&decoded);
    let (bucket, key) = name.split_once('/')?;
    let clear =
        super::host::is_bucket(bucket) && !key.is_empty() && key.split('/').all(|part| part != "." && part != "..");
    clear.then(|| name.to_string())
}
