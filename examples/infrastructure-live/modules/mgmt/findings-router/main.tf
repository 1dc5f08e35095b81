resource "terraform_data" "topic" {
  input = {
    arn  = "arn:aws:sns:${var.aws_region}:${var.account_id}:${var.name_prefix}-findings"
    tags = var.default_tags
  }
}

resource "terraform_data" "rule" {
  for_each = var.detector_ids

  input = {
    region   = each.key
    detector = each.value
    pattern  = jsonencode({ severity = [{ numeric = [">=", var.minimum_severity] }] })
    target   = terraform_data.topic.output.arn
  }
}

resource "terraform_data" "subscription" {
  for_each = toset(var.subscribers)

  input = {
    topic    = terraform_data.topic.output.arn
    protocol = "email"
    endpoint = each.key
  }
}
