resource "terraform_data" "workgroup" {
  input = {
    name    = "${var.name_prefix}-logs"
    key_arn = var.key_arn
    tags    = var.default_tags
  }
}

resource "terraform_data" "table" {
  for_each = var.sources

  input = {
    workgroup = terraform_data.workgroup.output.name
    name      = replace(each.key, "-", "_")
    location  = "s3://${each.value}/"
  }
}
