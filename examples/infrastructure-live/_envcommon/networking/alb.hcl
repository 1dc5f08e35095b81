# The public load balancer of one account and region.
locals {
  repo_root = dirname(find_in_parent_folders("root.hcl"))
  account   = read_terragrunt_config(find_in_parent_folders("account.hcl"))

  account_dir = dirname(find_in_parent_folders("account.hcl"))
  environment = local.account.locals.environment
}

terraform {
  source = "${local.repo_root}/modules//networking/alb"
}

dependency "vpc" {
  config_path = "${get_terragrunt_dir()}/../vpc"

  mock_outputs = {
    vpc_id     = "vpc-mock"
    subnet_ids = { public = ["subnet-mock-a", "subnet-mock-b"] }
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "dns" {
  config_path = "${local.account_dir}/_global/networking/dns"

  mock_outputs = {
    zone_id         = "ZMOCK"
    domain          = "mock.acme.example"
    certificate_arn = "arn:aws:acm:us-east-1:000000000000:certificate/mock"
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  environment     = local.environment
  vpc_id          = dependency.vpc.outputs.vpc_id
  subnet_ids      = dependency.vpc.outputs.subnet_ids["public"]
  zone_id         = dependency.dns.outputs.zone_id
  domain          = dependency.dns.outputs.domain
  certificate_arn = dependency.dns.outputs.certificate_arn
  idle_timeout    = 60
}
