# Keys of one region. Everything that keeps data depends on them.
locals {
  repo_root = dirname(find_in_parent_folders("root.hcl"))
  account   = read_terragrunt_config(find_in_parent_folders("account.hcl"))

  environment = local.account.locals.environment
}

terraform {
  source = "${local.repo_root}/modules//mgmt/kms-key"
}

dependency "iam_roles" {
  config_path = "${dirname(find_in_parent_folders("account.hcl"))}/_global/mgmt/iam-roles"

  mock_outputs = {
    role_arns = {
      deploy = "arn:aws:iam::000000000000:role/mock"
    }
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  environment    = local.environment
  administrators = [dependency.iam_roles.outputs.role_arns["deploy"]]
  aliases        = ["data", "logs"]
}
