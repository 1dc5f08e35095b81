# PC-0505: 11:20: must be a string, a number
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
principal "x" {
  identity = "github"
  claims = { ref = { a = "b" } }
}
