//! What `get_default_retryable_errors` gives: patterns for failures that pass by themselves. The list is our own;
//! Terragrunt's changes with its versions and is about the same failures (docs/terragrunt.md).

/// Failures of networks, registries and clouds that pass by themselves.
pub(super) const DEFAULT_RETRYABLE_ERRORS: [&str; 9] = [
    r"(?s).*(TLS handshake|tcp|dial|i/o|net/http).*timeout.*",
    r"(?s).*connection reset by peer.*",
    r"(?s).*connection refused.*",
    r"(?s).*context deadline exceeded.*",
    r"(?s).*Client\.Timeout exceeded.*",
    r"(?s).*Connection closed by remote host.*",
    r"(?s).*(429|Too Many Requests|TooManyUpdates|Throttling|Rate exceeded).*",
    r"(?s).*(502 Bad Gateway|503 Service Unavailable|504 Gateway Time-?out).*",
    r"(?s).*(request to update this alarm is in progress|The specified bucket does not exist).*",
];
