# The fleet: who may do what in which account. Every account's runner reads this file from the protected branch,
# never from a proposed change.

fleet "acme" {
  # A new organisation is brought up in this order: where logs go comes before what writes them.
  deploy_order = ["logs", "security", "shared", "dev", "stage", "prod"]

  repository "infrastructure-live" {
    url       = "https://github.com/acme/infrastructure-live"
    protected = ["main"]
  }

  # Pin the tool when every runner is to use the same build of it:
  #   terraform = { version = "1.11.4", sha256 = "…digest of the program file…" }
  tools {
    driver = "native"
  }
}

# Tokens of GitHub Actions. Their audience is `portcullis:acme/<account>`, so that a token which was made for one
# account's runner is worth nothing at another.
identity "github" {
  issuer = "https://token.actions.githubusercontent.com"
}

locals {
  # The repository's number: unlike its name, it is not given to somebody else after a rename.
  repository_id = "8210441"
}

# Any workflow of this repository, on any branch. It may look, and nothing else.
principal "live-ci" {
  identity = "github"
  claims = {
    repository_id = local.repository_id
  }
}

# What was merged: a push to main.
principal "live-merge" {
  identity = "github"
  claims = {
    repository_id = local.repository_id
    ref           = "refs/heads/main"
    event_name    = "push"
  }
}

# A person who was let through GitHub's environment `portcullis-approval`, which has required reviewers.
principal "live-approver" {
  identity = "github"
  claims = {
    repository_id = local.repository_id
    ref           = "refs/heads/main"
    event_name    = "workflow_dispatch"
    environment   = "portcullis-approval"
  }
}

import "standard" {
  path = "profiles/standard.hcl"
}

import "sizes" {
  path = "profiles/sizes.hcl"
}

account "dev" {
  id       = "111111111111"
  path     = "dev"
  profiles = ["standard", "workload"]
}

account "stage" {
  id       = "222222222222"
  path     = "stage"
  profiles = ["standard", "workload"]
}

account "prod" {
  id       = "333333333333"
  path     = "prod"
  profiles = ["two-regions", "workload"]

  # More units than elsewhere, and fewer at once: whoever watches a change in prod wants to keep up.
  limits {
    parallel = 2
  }
}

account "shared" {
  id       = "444444444444"
  path     = "shared"
  profiles = ["standard"]
}

account "security" {
  id       = "555555555555"
  path     = "security"
  profiles = ["two-regions"]
}

account "logs" {
  id       = "666666666666"
  path     = "logs"
  profiles = ["two-regions"]
}

# What must hold, whoever changes this file: a definition that breaks it is refused, and the last good one stays.
assert "prod is applied only by what was merged to main" {
  account = "prod"
  action  = "apply"
  only    = ["live-merge"]
}

assert "no job of a branch applies or approves anywhere" {
  action = "apply"
  never  = ["live-ci"]
}
