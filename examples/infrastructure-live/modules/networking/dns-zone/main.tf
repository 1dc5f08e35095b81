resource "terraform_data" "zone" {
  input = {
    id     = "Z${upper(substr(sha1("${var.account_id}/${var.domain}"), 0, 20))}"
    domain = var.domain
    tags   = var.default_tags
  }
}

resource "terraform_data" "certificate" {
  input = {
    arn     = "arn:aws:acm:${var.aws_region}:${var.account_id}:certificate/${uuidv5("dns", var.domain)}"
    names   = [var.domain, "*.${var.domain}"]
    zone_id = terraform_data.zone.output.id
  }
}

resource "terraform_data" "record" {
  for_each = var.records

  input = {
    zone_id = terraform_data.zone.output.id
    name    = each.key == "@" ? var.domain : "${each.key}.${var.domain}"
    type    = each.value.type
    ttl     = each.value.ttl
    values  = each.value.values
  }
}
