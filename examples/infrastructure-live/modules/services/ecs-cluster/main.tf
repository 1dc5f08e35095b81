module "naming" {
  source = "../../naming"
  parts  = [var.name_prefix, var.environment, var.aws_region]
}

resource "terraform_data" "cluster" {
  input = {
    arn                = "arn:aws:ecs:${var.aws_region}:${var.account_id}:cluster/${module.naming.name}"
    name               = module.naming.name
    container_insights = var.container_insights
    tags               = var.default_tags
  }
}

resource "terraform_data" "capacity_provider" {
  for_each = var.capacity_providers

  input = {
    cluster = terraform_data.cluster.output.name
    name    = each.key
    weight  = each.value
  }
}

resource "terraform_data" "namespace" {
  input = {
    arn    = "arn:aws:servicediscovery:${var.aws_region}:${var.account_id}:namespace/ns-${substr(module.naming.id_suffix, 0, 16)}"
    name   = "${var.environment}.internal"
    vpc_id = var.vpc_id
  }
}
