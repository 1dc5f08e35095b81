include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  source = "${dirname(find_in_parent_folders("root.hcl"))}/modules//services/build-farm"
}

dependency "vpc" {
  config_path = "../../networking/vpc"

  mock_outputs = {
    vpc_id     = "vpc-mock"
    subnet_ids = { private = ["subnet-mock-a", "subnet-mock-b"] }
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "ecr" {
  config_path = "../../mgmt/ecr"

  mock_outputs = {
    repository_urls = { api = "mock.dkr.ecr.us-east-1.amazonaws.com/acme/api" }
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  vpc_id          = dependency.vpc.outputs.vpc_id
  subnet_ids      = dependency.vpc.outputs.subnet_ids["private"]
  repository_urls = dependency.ecr.outputs.repository_urls
  capacity        = { min = 0, max = 6 }
}
