# Roles of every account. Who may take them differs by tier.
locals {
  repo_root = dirname(find_in_parent_folders("root.hcl"))
  common    = read_terragrunt_config(find_in_parent_folders("common.hcl"))
  account   = read_terragrunt_config(find_in_parent_folders("account.hcl"))

  account_name = local.account.locals.account_name
  account_ids  = local.common.locals.account_ids
  tier         = local.common.locals.accounts[local.account_name].tier

  auditors = ["arn:aws:iam::${local.account_ids["security"]}:root"]
}

terraform {
  source = "${local.repo_root}/modules//mgmt/iam-roles"
}

inputs = {
  roles = merge(
    {
      audit = {
        trusted = local.auditors
        policy  = file("${local.repo_root}/policies/audit.json")
      }
      deploy = {
        trusted = ["arn:aws:iam::${local.account_ids[local.account_name]}:role/portcullis"]
        policy = templatefile("${local.repo_root}/policies/deploy.json.tpl", {
          account_id = local.account_ids[local.account_name]
          services   = local.tier == "workload" ? ["ec2", "ecs", "elasticloadbalancing", "rds", "elasticache"] : ["ec2", "s3", "kms"]
        })
        max_session_duration = 7200
      }
    },
    local.tier == "workload" ? {
      developer = {
        trusted = ["arn:aws:iam::${local.account_ids["shared"]}:root"]
        policy  = file("${local.repo_root}/policies/${local.account_name == "prod" ? "read-only" : "developer"}.json")
      }
    } : {},
  )
}
