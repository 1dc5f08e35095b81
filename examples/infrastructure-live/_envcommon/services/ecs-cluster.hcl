# The cluster that the services run in.
locals {
  repo_root = dirname(find_in_parent_folders("root.hcl"))
  account   = read_terragrunt_config(find_in_parent_folders("account.hcl"))

  environment = local.account.locals.environment
}

terraform {
  source = "${local.repo_root}/modules//services/ecs-cluster"
}

dependency "vpc" {
  config_path = "${get_terragrunt_dir()}/../../networking/vpc"

  mock_outputs = {
    vpc_id = "vpc-mock"
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  environment        = local.environment
  vpc_id             = dependency.vpc.outputs.vpc_id
  container_insights = local.environment == "prod"
  capacity_providers = local.environment == "dev" ? { FARGATE_SPOT = 100 } : { FARGATE = 75, FARGATE_SPOT = 25 }
}
