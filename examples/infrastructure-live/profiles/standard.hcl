# What every account has: CI may plan, a merge is applied, a person approves what was not reviewed.

profile "standard" {
  regions = ["us-east-1"]

  # All that `get_env` sees in this repository.
  env = {
    DEPLOYMENT_STAGE = "live"
  }

  action "plan" {
    allow = ["live-ci", "live-merge"]
  }

  action "apply" {
    allow     = ["live-merge"]
    approvers = ["live-approver"]
    approvals = 1

    # What nobody reviewed is applied if it only creates, as when an account is brought up; anything else waits
    # for an approver.
    unreviewed = "create-only"
  }
}

# For what is in Europe as well.
profile "two-regions" {
  profiles = ["standard"]
  regions  = append(["eu-west-1"])
}
