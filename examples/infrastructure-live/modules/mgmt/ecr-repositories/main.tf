resource "terraform_data" "repository" {
  for_each = var.repositories

  input = {
    arn            = "arn:aws:ecr:${var.aws_region}:${var.account_id}:repository/${var.name_prefix}/${each.key}"
    url            = "${var.account_id}.dkr.ecr.${var.aws_region}.amazonaws.com/${var.name_prefix}/${each.key}"
    immutable_tags = true
    key_arn        = var.key_arn
    tags           = var.default_tags
  }
}

resource "terraform_data" "repository_policy" {
  for_each = var.repositories

  input = {
    repository = terraform_data.repository[each.key].output.arn
    readers    = [for name in sort(keys(var.readers)) : "arn:aws:iam::${var.readers[name]}:root"]
  }
}

resource "terraform_data" "lifecycle_policy" {
  for_each = var.repositories

  input = {
    repository = terraform_data.repository[each.key].output.arn
    keep       = var.keep_images
  }
}
