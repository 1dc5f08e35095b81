include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  extra_arguments "first" {
    commands  = get_terraform_commands_that_need_vars()
    arguments = ["-lock-timeout=1m", "-var", "a=from arguments"]
    env_vars = {
      MARK = "first"
      BOTH = "first"
    }
    required_var_files = ["${get_terragrunt_dir()}/required.tfvars", "${get_parent_terragrunt_dir()}/common.tfvars"]
    optional_var_files = [
      "${get_terragrunt_dir()}/optional.tfvars",
      "${get_terragrunt_dir()}/missing.tfvars",
      "relative.tfvars",
    ]
  }

  extra_arguments "second" {
    commands           = ["plan"]
    arguments          = ["-compact-warnings"]
    env_vars           = { BOTH = "second", TF_VAR_b = "from the environment" }
    required_var_files = []
  }

  extra_arguments "init" {
    commands  = ["init"]
    arguments = ["-get=true"]
  }
}

inputs = {
  a = "from inputs"
  b = "from inputs"
}
