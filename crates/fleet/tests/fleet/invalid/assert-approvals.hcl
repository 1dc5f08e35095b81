# PC-0510: 3:1: in account `prod`, `apply` needs 1 approvals and not 2
# + VALID
assert "two people for prod" {
  account   = ["prod"]
  action    = "apply"
  approvals = 2
}
account "prod" {
  id = "1"
  action "apply" {
    allow = ["merge"]
  }
}
