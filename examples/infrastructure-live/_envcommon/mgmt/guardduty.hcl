# Threat detection of one region, delegated to the security account.
locals {
  repo_root = dirname(find_in_parent_folders("root.hcl"))
  common    = read_terragrunt_config(find_in_parent_folders("common.hcl"))

  # Everyone but the account that looks.
  members = {
    for name, account in local.common.locals.accounts : name => account
    if name != "security"
  }
}

terraform {
  source = "${local.repo_root}/modules//mgmt/guardduty"
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

# The module enrols nobody: who is a member is this organisation's business.
generate "members" {
  path      = "members.tf"
  if_exists = "overwrite_terragrunt"
  contents  = <<-EOF
    %{for name, account in local.members~}
    resource "terraform_data" "member_${name}" {
      input = {
        detector = terraform_data.detector.output.id
        account  = "${account.id}"
        email    = "${account.email}"
      }
    }

    %{endfor~}
  EOF
}

inputs = {
  findings_key_arn = dependency.kms.outputs.key_arns["logs"]
}
