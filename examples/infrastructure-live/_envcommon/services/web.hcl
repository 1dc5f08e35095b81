# The web front: behind the load balancer, talks to the API and to nothing else.
locals {
  repo_root = dirname(find_in_parent_folders("root.hcl"))
  common    = read_terragrunt_config(find_in_parent_folders("common.hcl"))
  account   = read_terragrunt_config(find_in_parent_folders("account.hcl"))
  region    = read_terragrunt_config(find_in_parent_folders("region.hcl"))

  service     = basename(get_terragrunt_dir())
  environment = local.account.locals.environment
  aws_region  = local.region.locals.aws_region

  # Images are built in the shared account. The unit adds the tag.
  image = "${local.common.locals.account_ids["shared"]}.dkr.ecr.${local.common.locals.default_region}.amazonaws.com/${local.common.locals.name_prefix}/${local.service}"
}

terraform {
  source = "${local.repo_root}/modules//services/ecs-service"
}

dependency "vpc" {
  config_path = "${get_terragrunt_dir()}/../../networking/vpc"

  mock_outputs = {
    vpc_id     = "vpc-mock"
    subnet_ids = { private = ["subnet-mock-a", "subnet-mock-b"] }
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "cluster" {
  config_path = "${get_terragrunt_dir()}/../ecs-cluster"

  mock_outputs = {
    cluster_arn = "arn:aws:ecs:us-east-1:000000000000:cluster/mock"
    namespace   = "mock.internal"
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "alb" {
  config_path = "${get_terragrunt_dir()}/../../networking/alb"

  mock_outputs = {
    listener_arn      = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/mock"
    security_group_id = "sg-mock"
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "dns" {
  config_path = "${dirname(find_in_parent_folders("account.hcl"))}/_global/networking/dns"

  mock_outputs = {
    domain = "mock.acme.example"
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "api" {
  config_path = "${get_terragrunt_dir()}/../api"

  mock_outputs = {
    url = "https://api.mock.acme.example"
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  environment   = local.environment
  service_name  = local.service
  cluster_arn   = dependency.cluster.outputs.cluster_arn
  vpc_id        = dependency.vpc.outputs.vpc_id
  subnet_ids    = dependency.vpc.outputs.subnet_ids["private"]
  desired_count = local.account.locals.service_counts[local.service]

  load_balancer = {
    listener_arn      = dependency.alb.outputs.listener_arn
    security_group_id = dependency.alb.outputs.security_group_id
    host              = "${local.service}.${local.aws_region}.${dependency.dns.outputs.domain}"
    port              = 3000
    health_check_path = "/"
  }

  env_vars = {
    API_URL = dependency.api.outputs.url
  }
}
