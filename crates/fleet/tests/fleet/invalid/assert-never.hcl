# PC-0510: 3:1: in account `prod`, `ci` may start or approve `apply`
# + VALID
assert "no CI job approves" {
  action = "apply"
  never  = "ci"
}
account "prod" {
  id = "1"
  action "apply" {
    allow     = ["ci"]
  }
}
