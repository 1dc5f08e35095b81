# PC-0511: 8:14: policy `x`: unable to guarantee safety of access to tag `"ref"`
# + VALID
account "dev" {
  id = "1"
  policy "x" {
    cedar = <<-EOT
      forbid (principal, action, resource)
      when { principal.getTag("ref") == "refs/heads/x" };
    EOT
  }
  action "plan" {
    allow = ["ci"]
  }
}
