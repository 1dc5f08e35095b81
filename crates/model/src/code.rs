//! The register of stable `PC-` codes.
//!
//! Append only: a number is never given a second meaning. Each has a page `docs/errors/PC-nnnn.md`, and a
//! test that it can occur. Ranges: 00xx command line, 01xx request, 02xx authentication, 03xx rights,
//! 04xx HCL and Terragrunt configuration, 05xx fleet definition, 06xx sandbox, tool and driver, 07xx plans,
//! state and approvals, 08xx git, 09xx the runner and its host.
//!
//! Which exit code or HTTP status a code becomes is decided once, in `app`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A stable error code, shown as `PC-0123`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $title:literal;)+) => {
        impl Code {
            $($(#[$doc])* #[doc = $title] pub const $name: Code = Code($number);)+
            /// Every code with its title, in the order of numbers.
            pub const ALL: &'static [(Code, &'static str)] = &[$((Code($number), $title),)+];
        }
    };
}

codes! {
    USAGE = 1, "the command line is not understood";
    RUNNER_UNREACHABLE = 2, "the runner does not answer";
    NO_TOKEN = 3, "no token to authenticate with";
    NOT_A_REPOSITORY = 4, "the folder is no repository or does not exist";
    INSECURE_LISTEN = 5, "a listen address that is not loopback needs TLS";
    BAD_OPTION = 6, "an option of `serve` is missing or wrong";

    UNKNOWN_ACTION = 100, "the action does not exist in this account";
    BAD_REQUEST = 101, "the request body is not what the action takes";
    BODY_TOO_LARGE = 102, "the request body is too large";
    BAD_NAME = 103, "a name is not valid";
    BAD_ID = 104, "an id or digest is not valid";
    BAD_UNIT_PATH = 105, "a unit path is not valid";
    UNIT_OUTSIDE_ACCOUNT = 106, "the unit is not in this account's folder";
    UNIT_UNKNOWN = 107, "there is no such unit at that commit";
    UNIT_PATH_SYMLINK = 108, "the unit path leads through a symbolic link";
    REPOSITORY_UNKNOWN = 109, "the repository is not declared for this account";
    BAD_REF = 110, "the ref is not valid";
    REF_UNKNOWN = 111, "the ref does not exist";
    REF_NOT_A_BRANCH = 112, "the ref is not a branch";
    NOT_ON_PROTECTED_BRANCH = 113, "the commit is not on the protected branch";
    NOT_FOUND = 114, "there is no such thing here";
    IDEMPOTENCY_CONFLICT = 115, "the idempotency key was used for another request";
    BAD_CURSOR = 116, "the cursor or offset is not valid";
    RUN_NOT_HELD = 117, "the run is not held";
    RUN_ENDED = 118, "the run has ended already";
    METHOD_NOT_ALLOWED = 119, "the method is not allowed here";
    BAD_PARAMETER = 120, "a parameter is not what the action takes";
    ACTION_NOT_OFFERED = 121, "the action is declared, and not offered yet";

    UNAUTHENTICATED = 200, "no bearer token, or not one that can be read";
    TOKEN_TOO_LARGE = 201, "the token is larger than 16 KiB";
    TOKEN_EXPIRED = 202, "the token has expired";
    TOKEN_NOT_YET_VALID = 203, "the token is not valid yet";
    TOKEN_WRONG_AUDIENCE = 204, "the token is for another audience";
    TOKEN_WRONG_ISSUER = 205, "the token is from an issuer that is not declared";
    TOKEN_BAD_SIGNATURE = 206, "the token's signature does not hold";
    TOKEN_BAD_ALGORITHM = 207, "the token's algorithm is not the key's";
    TOKEN_REPLAYED = 208, "the token was used before";
    TOKEN_UNKNOWN_KEY = 209, "the token's key is not among the issuer's keys";
    JWKS_UNREACHABLE = 210, "the issuer's keys cannot be fetched";
    READ_TOKEN_INVALID = 211, "the read token is not valid for this run";

    DENIED = 300, "no principal that may do this matches";
    NOT_AN_APPROVER = 301, "the caller may not approve";
    FORBIDDEN_BY_POLICY = 302, "a policy of the fleet definition forbids it";

    HCL_SYNTAX = 400, "the HCL does not parse";
    HCL_TOO_LARGE = 401, "a configuration file is over a limit";
    HCL_EVALUATION = 402, "an expression cannot be evaluated";
    HCL_UNKNOWN_FUNCTION = 403, "there is no such function";
    HCL_UNKNOWN_VARIABLE = 404, "there is no such variable";
    HCL_UNSUPPORTED = 405, "a construct is not understood";
    HCL_TYPE = 406, "a value has the wrong type";
    INCLUDE_MISSING = 410, "an included file does not exist";
    INCLUDE_CYCLE = 411, "includes form a cycle";
    DEPENDENCY_CYCLE = 412, "units depend on each other in a cycle";
    DEPENDENCY_NOT_A_UNIT = 413, "a dependency is no unit";
    OUTSIDE_REPOSITORY = 414, "a path leads out of the repository";
    UNKNOWN_BLOCK = 415, "a block or attribute is not known in this place";
    FILE_MISSING = 416, "a file that the configuration reads does not exist";
    LOCALS_CYCLE = 417, "locals refer to each other in a cycle";
    INEXACT = 418, "the unit's configuration is not fully known without running something";
    SOURCE_SYNTAX = 419, "a module's source is not understood";
    SOURCE_UNPINNED = 420, "a module's source names no version";

    FLEET_SYNTAX = 500, "the fleet definition does not parse";
    FLEET_UNKNOWN_BLOCK = 501, "the fleet definition has an unknown block or attribute";
    FLEET_DUPLICATE = 502, "a name is defined twice in the fleet definition";
    FLEET_ACCOUNT_WITHOUT_ID = 503, "an account has no id";
    FLEET_UNKNOWN_NAME = 504, "the fleet definition names something that it does not define";
    FLEET_TYPE = 505, "a value in the fleet definition has the wrong type";
    FLEET_ACCOUNT_UNKNOWN = 506, "the account is not in the fleet definition";
    FLEET_MISSING = 507, "there is no `portcullis.hcl` on the protected branch";
    FLEET_IMPORT = 508, "an import of the fleet definition cannot be read";
    FLEET_LOCKS_OUT = 509, "the fleet definition would let nobody in";
    FLEET_INVARIANT = 510, "the fleet definition breaks a rule that every definition, or this one, must keep";
    FLEET_POLICY = 511, "a `policy` block cannot be taken";
    FLEET_EXTRACT = 520, "what is repeated cannot be said in one place as it was asked for";
    FLEET_IMPORT_CHANGED = 521, "an imported file is not the one that was pinned";

    SANDBOX_LAYER_MISSING = 600, "the host cannot give a layer of the sandbox";
    SANDBOX_LAUNCH = 601, "the sandbox could not be started";
    TOOL_MISSING = 602, "the tool is not on this machine";
    TOOL_FAILED = 603, "the tool ended with an error";
    TOOL_KILLED = 604, "the tool was killed";
    TASK_TIMEOUT = 605, "the task took longer than its limit";
    OUTPUT_LIMIT = 606, "the task printed more than its limit";
    DRIVER_REFUSED = 607, "the driver cannot take this unit";
    BACKEND_REFUSED = 608, "the unit's state backend cannot be used here";
    HOOK_FAILED = 609, "a hook ended with an error";
    TOOL_DIGEST = 610, "the tool's digest is not the one that the fleet names";
    MEMORY_LIMIT = 611, "the task needed more memory than its limit";
    AGENT_PROTOCOL = 612, "the agent said something that is not in its protocol";
    LAYOUT = 613, "the unit's working directory cannot be made";
    DOOR_REFUSED = 614, "the sandbox asked for something that its door does not give";
    SOURCE_REFUSED = 615, "the fleet does not allow modules from there";
    SOURCE_FETCH = 616, "a module cannot be fetched";
    SOURCE_DIGEST = 617, "what was fetched is not what its checksum says";
    SOURCE_ARCHIVE = 618, "a module's archive cannot be unpacked";
    DOOR_UNREACHABLE = 619, "a host that the sandbox may reach does not answer";
    SECRET = 620, "a secret is not on the runner";

    HELD = 700, "the change is not the one that was reviewed";
    PLAN_UNKNOWN = 701, "there is no such plan";
    SEAL_BROKEN = 702, "a sealed object does not open";
    STATE_LOCKED = 703, "the state is locked";
    STATE_REFUSED = 704, "the task may not use that state";
    OUTPUTS_MISSING = 705, "a dependency has no outputs yet";
    APPROVAL_STALE = 706, "the approval names another plan";
    NEEDS_DESTROY = 707, "a unit was deleted and needs destroy";
    STATE_TOO_LARGE = 708, "the state is larger than the limit";
    BLOCKED = 709, "a unit that this one depends on failed";
    FOREIGN_DEPENDENCY = 710, "a dependency is in another account";
    OUTCOME_UNKNOWN = 711, "how far an action came is not known";

    GIT_FAILED = 800, "git ended with an error";
    GIT_TIMEOUT = 801, "git took longer than its limit";
    GIT_PROTOCOL = 802, "the repository's URL is not allowed";
    GIT_OBJECT = 803, "an object of the repository cannot be read";
    GIT_CREDENTIAL = 804, "the repository's credential cannot be read";
    REPOSITORY_TOO_LARGE = 805, "the repository is over a limit";

    INTERNAL = 900, "a bug in Portcullis";
    IO = 901, "a file or socket operation failed";
    DISK_FULL = 902, "the disk is full";
    STORE = 903, "the store failed";
    SHUTTING_DOWN = 904, "the runner is shutting down";
    DATA_IN_USE = 905, "another runner uses the data folder";
    DATA_VERSION = 906, "the data folder is from a newer version";
    BUSY = 907, "too many requests";
    NOT_READY = 908, "the runner is not ready";
    LEDGER_BROKEN = 909, "the ledger is not what was signed";
    LEDGER_KEY = 910, "the ledger's key cannot be used";
}

impl Code {
    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }

    /// A short title: the first line of the code's page.
    pub fn title(self) -> &'static str {
        Self::ALL.iter().find(|(code, _)| *code == self).map_or("an unknown code", |(_, title)| title)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PC-{:04}", self.0)
    }
}

impl FromStr for Code {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_prefix("PC-")
            .and_then(|digits| digits.parse().ok())
            .map(Code)
            .filter(|code| Self::ALL.iter().any(|(known, _)| known == code))
            .ok_or_else(|| format!("{} is no known code", crate::id::quoted(text)))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_in_order() {
        for pair in Code::ALL.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} comes before {}", pair[0].0, pair[1].0);
        }
    }
}
