//! Operations whose answer is worth stealing.
//!
//! Sources: the actions that return credentials or data in cloudsplaining's rules (Salesforce), AWS's service
//! authorization reference, and the operations of the services that are about secrets, keys, logs and data. What is in
//! neither list is a plain read, and may still show something that somebody put there: see docs/broker.md.

/// Answers with credentials of AWS, which would then be inside the sandbox. Never allowed.
const SESSIONS: &[&str] = &[
    "cognito-identity:GetCredentialsForIdentity",
    "datazone:GetEnvironmentCredentials",
    "eks-auth:AssumeRoleForPodIdentity",
    "elasticmapreduce:GetClusterSessionCredentials",
    "emr-containers:GetManagedEndpointSessionCredentials",
    "gamelift:RequestUploadCredentials",
    "lakeformation:AssumeDecoratedRoleWithSAML",
    "lakeformation:GetTemporaryDataLocationCredentials",
    "lakeformation:GetTemporaryGlueFunctionCredentials",
    "lakeformation:GetTemporaryGluePartitionCredentials",
    "lakeformation:GetTemporaryGlueTableCredentials",
    "s3:CreateSession",
    "s3:GetDataAccess",
    "signin:CreateOAuth2Token",
    "sso:GetRoleCredentials",
    "ssm:GetAccessToken",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:AssumeRoot",
    "sts:GetDelegatedAccessToken",
    "sts:GetFederationToken",
    "sts:GetScopedCredentials",
    "sts:GetSessionToken",
    "sts:GetWebIdentityToken",
];

/// Answers with a secret, a credential of something else, or data. Only by a grant that names it, or secrets.
const SECRETS: &[&str] = &[
    "acm:ExportCertificate",
    "apigateway:GetApiKey",
    "apigateway:GetApiKeys",
    "appconfig:GetConfiguration",
    "appconfig:GetLatestConfiguration",
    "athena:GetQueryResults",
    "codeartifact:GetAuthorizationToken",
    "codecommit:GetBlob",
    "codecommit:GetFile",
    "codepipeline:GetJobDetails",
    "codepipeline:PollForJobs",
    "cognito-identity:GetOpenIdToken",
    "cognito-identity:GetOpenIdTokenForDeveloperIdentity",
    "connect:GetFederationToken",
    "dynamodb:BatchGetItem",
    "dynamodb:ExecuteStatement",
    "dynamodb:GetItem",
    "dynamodb:GetRecords",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:TransactGetItems",
    "ec2:GetConsoleOutput",
    "ec2:GetConsoleScreenshot",
    "ec2:GetPasswordData",
    "ecr-public:GetAuthorizationToken",
    "ecr:GetAuthorizationToken",
    "elasticmapreduce:GetOnClusterAppUIPresignedURL",
    "elasticmapreduce:GetPersistentAppUIPresignedURL",
    "gamelift:GetComputeAuthToken",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:CreateServiceSpecificCredential",
    "iam:ResetServiceSpecificCredential",
    "kinesis:GetRecords",
    "kinesis:SubscribeToShard",
    "kms:Decrypt",
    "kms:Decapsulate",
    "kms:DeriveSharedSecret",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyPair",
    "license-manager:GetAccessToken",
    "lightsail:DownloadDefaultKeyPair",
    "lightsail:GetBucketAccessKeys",
    "lightsail:GetInstanceAccessDetails",
    "lightsail:GetRelationalDatabaseMasterUserPassword",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "logs:GetLogObject",
    "logs:GetLogRecord",
    "logs:GetQueryResults",
    "logs:StartLiveTail",
    "mediapackage:RotateChannelCredentials",
    "mediapackage:RotateIngestEndpointCredentials",
    "payment-cryptography:DecryptData",
    "pca-connector-scep:GetChallengePassword",
    "rds:DownloadDBLogFilePortion",
    "redshift-serverless:GetCredentials",
    "redshift-serverless:GetIdentityCenterAuthToken",
    "redshift:GetClusterCredentials",
    "redshift:GetClusterCredentialsWithIAM",
    "redshift:GetIdentityCenterAuthToken",
    "route53globalresolver:GetAccessToken",
    "s3:GetObject",
    "s3:GetObjectAnnotation",
    "s3:GetObjectTorrent",
    "s3:SelectObjectContent",
    "secretsmanager:BatchGetSecretValue",
    "secretsmanager:GetSecretValue",
    "sqs:ReceiveMessage",
    "wafv2:GetDecryptedAPIKey",
];

/// Answers with a secret if it is asked to decrypt.
const DECRYPTING: &[&str] =
    &["ssm:GetParameter", "ssm:GetParameterHistory", "ssm:GetParameters", "ssm:GetParametersByPath"];

/// What a need is beyond its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sensitive {
    No,
    Secret,
    Session,
    /// `sts:AssumeRole`: its answer is rewritten.
    Role,
}

/// Of an operation by its service's IAM prefix and name. `decrypts`: a parameter asks for the value in clear.
pub(super) fn of(name: &str, decrypts: bool) -> Sensitive {
    if name == "sts:AssumeRole" {
        Sensitive::Role
    } else if SESSIONS.contains(&name) {
        Sensitive::Session
    } else if SECRETS.contains(&name) || (decrypts && DECRYPTING.contains(&name)) {
        Sensitive::Secret
    } else {
        Sensitive::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that the table does not have would protect nothing.
    #[test]
    fn every_name_is_an_operation() {
        for name in SESSIONS.iter().chain(SECRETS).chain(DECRYPTING) {
            assert!(crate::aws::table::has_operation(name), "{name}");
        }
    }
}
