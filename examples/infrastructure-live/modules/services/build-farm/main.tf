resource "terraform_data" "security_group" {
  input = {
    id     = "sg-${substr(sha1("${var.vpc_id}/build"), 0, 17)}"
    vpc_id = var.vpc_id
  }
}

resource "terraform_data" "fleet" {
  input = {
    name           = "${var.name_prefix}-build"
    capacity       = var.capacity
    subnet_ids     = var.subnet_ids
    security_group = terraform_data.security_group.output.id
    tags           = var.default_tags
  }
}

resource "terraform_data" "push_grant" {
  for_each = var.repository_urls

  input = {
    fleet      = terraform_data.fleet.output.name
    repository = each.value
  }
}
