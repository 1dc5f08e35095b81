# PC-0510: 3:1: "prod is applied by merges only" does not hold: in account `prod`, `ci` may start `apply`
# + VALID
assert "prod is applied by merges only" {
  account = "prod"
  action  = "apply"
  only    = ["merge"]
}
account "prod" {
  id = "1"
  action "apply" {
    allow = ["merge", "ci"]
  }
}
