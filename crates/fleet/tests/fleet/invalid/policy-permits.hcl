# PC-0511: 7:1: policy `x`: a `policy` block can only forbid
# + VALID
account "dev" {
  id = "1"
  policy "x" {
    cedar = <<EOT
permit (principal, action, resource);
EOT
  }
  action "plan" {
    allow = ["ci"]
  }
}
