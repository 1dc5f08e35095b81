# Included by every unit: where state is kept, what every module is told, what is generated next to it.

locals {
  common  = read_terragrunt_config(find_in_parent_folders("common.hcl"))
  account = read_terragrunt_config(find_in_parent_folders("account.hcl"))
  region  = read_terragrunt_config(find_in_parent_folders("region.hcl"))

  name_prefix  = local.common.locals.name_prefix
  account_name = local.account.locals.account_name
  account_id   = local.common.locals.account_ids[local.account_name]
  aws_region   = local.region.locals.aws_region

  tags = merge(
    yamldecode(file(find_in_parent_folders("tags.yml"))),
    {
      Account = local.account_name
      Region  = local.aws_region
      Stage   = local.common.locals.deployment_stage
    },
    try(local.account.locals.extra_tags, {}),
  )
}

# The runner's own state store. It answers only inside a task's sandbox, and only for the task's own unit.
remote_state {
  backend = "http"

  config = {
    address        = "http://state.portcullis/${path_relative_to_include()}"
    lock_address   = "http://state.portcullis/${path_relative_to_include()}"
    unlock_address = "http://state.portcullis/${path_relative_to_include()}"
  }

  generate = {
    path      = "backend.tf"
    if_exists = "overwrite_terragrunt"
  }
}

generate "versions" {
  path      = "versions_generated.tf"
  if_exists = "overwrite_terragrunt"
  contents  = <<-EOF
    terraform {
      required_version = ">= 1.6.0"
    }
  EOF
}

# As a file and not as an input: people look for it when they ask where a tag comes from.
generate "default_tags" {
  path              = "default_tags.auto.tfvars.json"
  if_exists         = "overwrite"
  disable_signature = true
  contents          = jsonencode({ default_tags = local.tags })
}

terraform {
  extra_arguments "wait_for_lock" {
    commands  = get_terraform_commands_that_need_locking()
    arguments = ["-lock-timeout=2m"]
  }
}

inputs = {
  name_prefix  = local.name_prefix
  account_name = local.account_name
  account_id   = local.account_id
  aws_region   = local.aws_region
}
