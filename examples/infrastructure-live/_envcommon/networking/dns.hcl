# The account's zone below the company's domain.
locals {
  repo_root = dirname(find_in_parent_folders("root.hcl"))
  common    = read_terragrunt_config(find_in_parent_folders("common.hcl"))
  account   = read_terragrunt_config(find_in_parent_folders("account.hcl"))

  domain = join(".", compact([
    local.account.locals.environment == "prod" ? "" : local.account.locals.environment,
    local.common.locals.domain,
  ]))
}

terraform {
  source = "${local.repo_root}/modules//networking/dns-zone"
}

inputs = {
  domain = local.domain
  records = {
    "@" = {
      type   = "TXT"
      values = ["v=spf1 -all"]
    }
  }
}
