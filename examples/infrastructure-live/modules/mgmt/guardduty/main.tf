resource "terraform_data" "detector" {
  input = {
    id                   = substr(sha1("${var.account_id}/${var.aws_region}"), 0, 32)
    publishing_frequency = var.publishing_frequency
    key_arn              = var.findings_key_arn
    tags                 = var.default_tags
  }
}

resource "terraform_data" "feature" {
  for_each = var.features

  input = {
    detector = terraform_data.detector.output.id
    name     = each.key
    enabled  = true
  }
}
