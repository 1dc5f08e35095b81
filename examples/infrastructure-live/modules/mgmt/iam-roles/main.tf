resource "terraform_data" "role" {
  for_each = var.roles

  input = {
    arn                  = "arn:aws:iam::${var.account_id}:role/${var.name_prefix}-${each.key}"
    trusted              = each.value.trusted
    max_session_duration = each.value.max_session_duration
    tags                 = var.default_tags
  }
}

resource "terraform_data" "policy" {
  for_each = var.roles

  input = {
    role     = terraform_data.role[each.key].output.arn
    document = jsondecode(each.value.policy)
  }
}

resource "terraform_data" "password_policy" {
  input = var.password_policy
}
