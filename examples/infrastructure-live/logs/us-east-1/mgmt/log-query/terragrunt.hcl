include "root" {
  path = find_in_parent_folders("root.hcl")
}

locals {
  repo_root = dirname(find_in_parent_folders("root.hcl"))
}

terraform {
  source = "${local.repo_root}/modules//mgmt/log-query"
}

dependency "kms" {
  config_path = "../kms-key"

  mock_outputs = {
    key_arns = { logs = "arn:aws:kms:us-east-1:000000000000:key/mock" }
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "cloudtrail" {
  config_path = "../cloudtrail"

  mock_outputs                            = { bucket_name = "mock-cloudtrail" }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "flow_logs" {
  config_path = "../flow-logs"

  mock_outputs                            = { bucket_name = "mock-flow-logs" }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "flow_logs_eu" {
  config_path = "../../../eu-west-1/mgmt/flow-logs"

  mock_outputs                            = { bucket_name = "mock-flow-logs-eu" }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  key_arn = dependency.kms.outputs.key_arns["logs"]
  sources = {
    cloudtrail   = dependency.cloudtrail.outputs.bucket_name
    flow-logs    = dependency.flow_logs.outputs.bucket_name
    flow-logs-eu = dependency.flow_logs_eu.outputs.bucket_name
  }
}
