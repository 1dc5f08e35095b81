# PC-0511: 8:14: policy `x`: unexpected token `(`
# + VALID
account "dev" {
  id = "1"
  policy "x" {
    cedar = <<-EOT
      forbid (principal, action, resource)
      forbid (principal, action, resource);
    EOT
  }
  action "plan" {
    allow = ["ci"]
  }
}
