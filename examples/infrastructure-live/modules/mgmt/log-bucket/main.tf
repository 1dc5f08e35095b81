locals {
  bucket = "${var.name_prefix}-${var.purpose}-${var.account_id}-${var.aws_region}"
}

resource "terraform_data" "bucket" {
  input = {
    arn                 = "arn:aws:s3:::${local.bucket}"
    name                = local.bucket
    key_arn             = var.key_arn
    deletion_protection = var.deletion_protection
    tags                = var.default_tags
  }

  triggers_replace = local.bucket
}

resource "terraform_data" "lifecycle" {
  input = {
    bucket = terraform_data.bucket.output.name
    rules = [
      { after_days = min(30, var.retention_days), storage_class = "STANDARD_IA" },
      { after_days = var.retention_days, storage_class = "EXPIRED" },
    ]
  }
}

resource "terraform_data" "writer" {
  for_each = var.writers

  input = {
    bucket    = terraform_data.bucket.output.name
    principal = "arn:aws:iam::${each.value}:root"
    prefix    = "${each.key}/"
  }
}
