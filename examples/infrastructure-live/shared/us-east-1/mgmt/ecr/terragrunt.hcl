include "root" {
  path = find_in_parent_folders("root.hcl")
}

locals {
  common = read_terragrunt_config(find_in_parent_folders("common.hcl"))

  # Accounts that run containers.
  readers = {
    for name, account in local.common.locals.accounts : name => account.id
    if account.tier == "workload"
  }
}

terraform {
  source = "${dirname(find_in_parent_folders("root.hcl"))}/modules//mgmt/ecr-repositories"
}

dependency "kms" {
  config_path = "../kms-key"

  mock_outputs = {
    key_arns = { data = "arn:aws:kms:us-east-1:000000000000:key/mock" }
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  key_arn      = dependency.kms.outputs.key_arns["data"]
  repositories = ["api", "web", "worker"]
  readers      = local.readers
}
