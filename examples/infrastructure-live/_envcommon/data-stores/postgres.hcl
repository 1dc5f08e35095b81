# The application's database. A unit merges what is different about it into `settings`.
locals {
  repo_root   = dirname(find_in_parent_folders("root.hcl"))
  account_dir = dirname(find_in_parent_folders("account.hcl"))
  account     = read_terragrunt_config(find_in_parent_folders("account.hcl"))

  environment = local.account.locals.environment
}

terraform {
  source = "${local.repo_root}/modules//data-stores/postgres"

  # Protection of data is an account's decision: see prod/account.tfvars.
  extra_arguments "account_variables" {
    commands           = get_terraform_commands_that_need_vars()
    optional_var_files = ["${local.account_dir}/account.tfvars"]
  }

  before_hook "announce" {
    commands = ["apply"]
    execute  = ["echo", "changing the database of ${local.environment}"]
  }
}

dependency "vpc" {
  config_path = "${get_terragrunt_dir()}/../../networking/vpc"

  mock_outputs = {
    vpc_id     = "vpc-mock"
    cidr_block = "10.0.0.0/16"
    subnet_ids = { data = ["subnet-mock-a", "subnet-mock-b"] }
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "kms" {
  config_path = "${get_terragrunt_dir()}/../../mgmt/kms-key"

  mock_outputs = {
    key_arns = { data = "arn:aws:kms:us-east-1:000000000000:key/mock" }
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  environment         = local.environment
  vpc_id              = dependency.vpc.outputs.vpc_id
  subnet_ids          = dependency.vpc.outputs.subnet_ids["data"]
  allowed_cidr_blocks = [dependency.vpc.outputs.cidr_block]
  key_arn             = dependency.kms.outputs.key_arns["data"]
  instance_class      = local.account.locals.database_class
  engine_version      = "16.4"

  settings = {
    storage_gib           = 50
    backup_retention_days = 7

    parameters = {
      "log_min_duration_statement" = "500"
      "work_mem"                   = "16384"
    }
  }
}
