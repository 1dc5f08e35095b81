include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  source = "${dirname(find_in_parent_folders("root.hcl"))}/modules//mgmt/findings-router"
}

dependency "guardduty_us" {
  config_path = "../guardduty"

  mock_outputs                            = { detector_id = "mock" }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "guardduty_eu" {
  config_path = "../../../eu-west-1/mgmt/guardduty"

  mock_outputs                            = { detector_id = "mock" }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  detector_ids = {
    us-east-1 = dependency.guardduty_us.outputs.detector_id
    eu-west-1 = dependency.guardduty_eu.outputs.detector_id
  }

  minimum_severity = 4
  subscribers      = ["security@acme.example", "oncall@acme.example"]
}
