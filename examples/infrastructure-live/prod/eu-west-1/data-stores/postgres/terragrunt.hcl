include "root" {
  path = find_in_parent_folders("root.hcl")
}

include "envcommon" {
  path           = "${dirname(find_in_parent_folders("root.hcl"))}/_envcommon/data-stores/postgres.hcl"
  expose         = true
  merge_strategy = "deep"
}

# A replica of the primary in us-east-1.
dependency "primary" {
  config_path = "${dirname(find_in_parent_folders("account.hcl"))}/us-east-1/data-stores/postgres"

  mock_outputs = {
    arn = "arn:aws:rds:us-east-1:000000000000:db:mock"
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  replicate_from = dependency.primary.outputs.arn

  settings = {
    storage_gib = 500
  }
}
