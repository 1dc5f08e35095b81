# PC-0511: 7:39: policy `x`: there is no principal `mrege`
# + VALID
account "dev" {
  id = "1"
  policy "x" {
    cedar = <<-EOT
      forbid (principal in Principal::"mrege", action, resource);
    EOT
  }
  action "plan" {
    allow = ["ci"]
  }
}
