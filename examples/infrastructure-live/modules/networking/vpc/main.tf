module "naming" {
  source = "../../naming"
  parts  = [var.name_prefix, var.environment, var.aws_region, "vpc"]
}

locals {
  zones = { for index, zone in var.availability_zones : zone => index }

  tiers = { public = 0, private = 1, data = 2 }

  subnets = merge([
    for tier, tier_index in local.tiers : {
      for zone, index in local.zones : "${tier}-${zone}" => {
        tier       = tier
        zone       = zone
        cidr_block = cidrsubnet(var.cidr_block, 4, tier_index * 4 + index)
      }
    }
  ]...)
}

resource "terraform_data" "vpc" {
  input = {
    id         = "vpc-${module.naming.id_suffix}"
    name       = module.naming.name
    cidr_block = var.cidr_block
    tags       = merge(var.default_tags, { Name = module.naming.name })
  }

  # A network cannot be renumbered.
  triggers_replace = var.cidr_block
}

resource "terraform_data" "subnet" {
  for_each = local.subnets

  input = {
    id         = "subnet-${substr(sha1("${module.naming.name}/${each.key}"), 0, 17)}"
    vpc_id     = terraform_data.vpc.output.id
    cidr_block = each.value.cidr_block
    zone       = each.value.zone
    public     = each.value.tier == "public"
  }

  triggers_replace = each.value.cidr_block
}

resource "terraform_data" "nat_gateway" {
  count = min(var.nat_gateways, length(var.availability_zones))

  input = {
    id        = "nat-${substr(sha1("${module.naming.name}/nat/${count.index}"), 0, 17)}"
    subnet_id = terraform_data.subnet["public-${var.availability_zones[count.index]}"].output.id
  }
}

resource "terraform_data" "flow_log" {
  input = {
    vpc_id       = terraform_data.vpc.output.id
    destination  = "${var.flow_logs.bucket_arn}/${var.account_id}/${var.aws_region}"
    traffic_type = var.flow_logs.traffic_type
  }
}
