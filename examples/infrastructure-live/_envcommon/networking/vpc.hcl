# The network of one account and region.
locals {
  repo_root = dirname(find_in_parent_folders("root.hcl"))
  common    = read_terragrunt_config(find_in_parent_folders("common.hcl"))
  account   = read_terragrunt_config(find_in_parent_folders("account.hcl"))
  region    = read_terragrunt_config(find_in_parent_folders("region.hcl"))
  networks  = yamldecode(file("${local.repo_root}/networks.yml"))

  environment = local.account.locals.environment
  aws_region  = local.region.locals.aws_region
  cidr_block  = local.networks[local.account.locals.account_name][local.aws_region]

  # Buckets have names that can be known without asking: no dependency on another account's unit.
  flow_log_bucket = format("%s-flow-logs-%s-%s", local.common.locals.name_prefix, local.common.locals.account_ids["logs"], local.common.locals.default_region)
}

terraform {
  source = "${local.repo_root}/modules//networking/vpc"
}

# No value is taken from it, but the roles must exist before anything is put into a network.
dependencies {
  paths = ["${dirname(find_in_parent_folders("account.hcl"))}/_global/mgmt/iam-roles"]
}

inputs = {
  environment        = local.environment
  cidr_block         = local.cidr_block
  availability_zones = slice(local.region.locals.availability_zones, 0, local.account.locals.az_count)
  nat_gateways       = local.account.locals.nat_gateways

  flow_logs = {
    bucket_arn = "arn:aws:s3:::${local.flow_log_bucket}"
  }
}
