# For a team whose CI is GitLab: who its jobs are. To use it, add to portcullis.hcl
#
#   import "gitlab" {
#     path = "profiles/gitlab.hcl"
#   }
#
# name the profile `gitlab` last in the accounts, and `gitlab-merge` in the `only` of the assert about prod.

identity "gitlab" {
  issuer = "https://gitlab.com"
}

locals {
  project_id = "51830274"
}

principal "gitlab-ci" {
  identity = "gitlab"
  claims = {
    project_id = local.project_id
    ref_type   = "branch"
  }
}

principal "gitlab-merge" {
  identity = "gitlab"
  claims = {
    project_id      = local.project_id
    ref             = "main"
    ref_type        = "branch"
    ref_protected   = "true"
    pipeline_source = "push"
  }
}

# A manual job in the protected environment `portcullis-approval`: GitLab lets only its approvers start it.
principal "gitlab-approver" {
  identity = "gitlab"
  claims = {
    project_id            = local.project_id
    ref                   = "main"
    ref_protected         = "true"
    environment           = "portcullis-approval"
    environment_protected = "true"
  }
}

profile "gitlab" {
  action "plan" {
    allow = ["gitlab-ci", "gitlab-merge"]
  }

  action "apply" {
    allow     = ["gitlab-merge"]
    approvers = ["gitlab-approver"]
  }
}
