# PC-0510: 3:1: in account `prod`, `apply` applies what nobody reviewed
# + VALID
assert "two people" {
  action    = "apply"
  approvals = 2
}
account "prod" {
  id = "1"
  action "apply" {
    allow      = ["merge"]
    approvals  = 2
    unreviewed = "apply"
  }
}
