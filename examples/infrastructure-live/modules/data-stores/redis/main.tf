module "naming" {
  source     = "../../naming"
  parts      = [var.name_prefix, var.environment, var.aws_region, "redis"]
  max_length = 40
}

resource "terraform_data" "security_group" {
  input = {
    id      = "sg-${module.naming.id_suffix}"
    vpc_id  = var.vpc_id
    ingress = [for cidr in var.allowed_cidr_blocks : { cidr = cidr, port = 6379 }]
  }
}

resource "terraform_data" "replication_group" {
  input = {
    id                  = module.naming.name
    endpoint            = "${module.naming.name}.cache.${var.aws_region}.amazonaws.com"
    node_type           = var.node_type
    subnet_ids          = var.subnet_ids
    security_group      = terraform_data.security_group.output.id
    key_arn             = var.key_arn
    deletion_protection = var.deletion_protection
    tags                = var.default_tags
  }
}

resource "terraform_data" "shard" {
  count = var.shards

  input = {
    group    = terraform_data.replication_group.output.id
    replicas = var.replicas_per_shard
  }
}
