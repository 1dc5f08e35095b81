# The worker: takes jobs from the cache, reached by nobody.
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

dependency "postgres" {
  config_path = "${get_terragrunt_dir()}/../../data-stores/postgres"

  mock_outputs = {
    endpoint   = "mock.rds.amazonaws.com"
    port       = 5432
    secret_arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:mock"
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "redis" {
  config_path = "${get_terragrunt_dir()}/../../data-stores/redis"

  mock_outputs = {
    endpoint = "mock.cache.amazonaws.com"
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

# The API makes the tables. The worker takes no value from it, but must not start before it.
dependencies {
  paths = ["../api"]
}

inputs = {
  environment   = local.environment
  service_name  = local.service
  cluster_arn   = dependency.cluster.outputs.cluster_arn
  vpc_id        = dependency.vpc.outputs.vpc_id
  subnet_ids    = dependency.vpc.outputs.subnet_ids["private"]
  desired_count = local.account.locals.service_counts[local.service]

  env_vars = {
    QUEUE_HOST    = dependency.redis.outputs.endpoint
    DATABASE_HOST = dependency.postgres.outputs.endpoint
    NAMESPACE     = dependency.cluster.outputs.namespace
  }

  secrets = {
    DATABASE_CREDENTIALS = dependency.postgres.outputs.secret_arn
  }
}
