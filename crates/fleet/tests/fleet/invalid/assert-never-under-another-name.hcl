# PC-0510: 7:1: in account `prod`, `robot` may start or approve `plan`, and every token of `ci` is one of `robot`
# + VALID
principal "robot" {
  identity = "github"
  claims   = { repository_id = ["1", "2"] }
}
assert "CI does not plan prod" {
  action = "plan"
  never  = "ci"
}
account "prod" {
  id = "1"
  action "plan" {
    allow = ["robot"]
  }
}
