module "naming" {
  source     = "../../naming"
  parts      = [var.name_prefix, var.environment, var.aws_region, "alb"]
  max_length = 32
}

locals {
  listeners = {
    http  = { port = 80, action = "redirect" }
    https = { port = 443, action = "forward" }
  }
}

resource "terraform_data" "security_group" {
  input = {
    id      = "sg-${module.naming.id_suffix}"
    vpc_id  = var.vpc_id
    ingress = [for cidr in sort(tolist(var.ingress_cidr_blocks)) : { cidr = cidr, ports = [80, 443] }]
  }

  triggers_replace = var.vpc_id
}

resource "terraform_data" "load_balancer" {
  input = {
    arn             = "arn:aws:elasticloadbalancing:${var.aws_region}:${var.account_id}:loadbalancer/app/${module.naming.name}"
    dns_name        = "${module.naming.name}.${var.aws_region}.elb.amazonaws.com"
    subnet_ids      = var.subnet_ids
    security_groups = [terraform_data.security_group.output.id]
    idle_timeout    = var.idle_timeout
    tags            = var.default_tags
  }
}

resource "terraform_data" "listener" {
  for_each = local.listeners

  input = {
    arn         = "${terraform_data.load_balancer.output.arn}/${each.key}"
    port        = each.value.port
    action      = each.value.action
    certificate = each.key == "https" ? var.certificate_arn : null
  }
}

resource "terraform_data" "alias" {
  input = {
    zone_id = var.zone_id
    name    = "*.${var.aws_region}.${var.domain}"
    target  = terraform_data.load_balancer.output.dns_name
  }
}
