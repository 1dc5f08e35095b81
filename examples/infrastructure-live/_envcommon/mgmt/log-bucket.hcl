# A bucket that other accounts write to. The unit says what is kept in it.
locals {
  repo_root = dirname(find_in_parent_folders("root.hcl"))
  common    = read_terragrunt_config(find_in_parent_folders("common.hcl"))
  account   = read_terragrunt_config(find_in_parent_folders("account.hcl"))

  # The folder's name is the purpose: `…/mgmt/cloudtrail` keeps trails.
  purpose = basename(get_terragrunt_dir())
}

terraform {
  source = "${local.repo_root}/modules//mgmt/log-bucket"
}

dependency "kms" {
  config_path = "../kms-key"

  mock_outputs = {
    key_arns = {
      logs = "arn:aws:kms:us-east-1:000000000000:key/mock"
    }
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  purpose             = local.purpose
  key_arn             = dependency.kms.outputs.key_arns["logs"]
  retention_days      = local.account.locals.retention_days
  writers             = local.common.locals.account_ids
  deletion_protection = true
}
