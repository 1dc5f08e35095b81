module "naming" {
  source = "../../naming"
  parts  = [var.name_prefix, var.environment, var.replicate_from == null ? "" : "replica", "postgres"]
}

locals {
  port = 5432

  # Replicas may wait for long queries instead of cancelling them.
  parameters = merge(
    { "rds.force_ssl" = "1" },
    var.settings.read_replicas > 0 ? { "max_standby_streaming_delay" = "30000" } : {},
    var.settings.parameters,
  )
}

resource "terraform_data" "subnet_group" {
  input = {
    name       = module.naming.name
    subnet_ids = var.subnet_ids
  }
}

resource "terraform_data" "security_group" {
  input = {
    id      = "sg-${module.naming.id_suffix}"
    vpc_id  = var.vpc_id
    ingress = [for cidr in var.allowed_cidr_blocks : { cidr = cidr, port = local.port }]
  }

  triggers_replace = var.vpc_id
}

resource "terraform_data" "parameter_group" {
  input = {
    name       = "${module.naming.name}-${split(".", var.engine_version)[0]}"
    parameters = local.parameters
  }
}

resource "terraform_data" "instance" {
  input = {
    arn                   = "arn:aws:rds:${var.aws_region}:${var.account_id}:db:${module.naming.name}"
    endpoint              = "${module.naming.name}.${substr(module.naming.id_suffix, 0, 12)}.${var.aws_region}.rds.amazonaws.com"
    class                 = var.instance_class
    engine_version        = var.engine_version
    storage_gib           = var.settings.storage_gib
    multi_az              = var.settings.multi_az
    backup_retention_days = var.settings.backup_retention_days
    subnet_group          = terraform_data.subnet_group.output.name
    parameter_group       = terraform_data.parameter_group.output.name
    security_group        = terraform_data.security_group.output.id
    key_arn               = var.key_arn
    replicate_from        = var.replicate_from
    deletion_protection   = var.deletion_protection
    tags                  = var.default_tags
  }

  # Storage cannot be encrypted with another key in place.
  triggers_replace = [var.key_arn]
}

resource "terraform_data" "replica" {
  count = var.settings.read_replicas

  input = {
    name   = "${module.naming.name}-${count.index + 1}"
    source = terraform_data.instance.output.arn
    class  = var.instance_class
  }
}

# The password is made by the service and never seen here.
resource "terraform_data" "secret" {
  input = {
    arn = "arn:aws:secretsmanager:${var.aws_region}:${var.account_id}:secret:${module.naming.name}"
    for = terraform_data.instance.output.arn
  }
}
