resource "terraform_data" "key" {
  for_each = var.aliases

  input = {
    arn            = "arn:aws:kms:${var.aws_region}:${var.account_id}:key/${uuidv5("url", "${var.account_id}/${var.aws_region}/${each.key}")}"
    administrators = sort(var.administrators)
    rotation_days  = var.rotation_days
    tags           = var.default_tags
  }
}

resource "terraform_data" "alias" {
  for_each = var.aliases

  input = {
    name   = "alias/${var.name_prefix}-${var.environment}-${each.key}"
    target = terraform_data.key[each.key].output.arn
  }
}
