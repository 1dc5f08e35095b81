# PC-0505: 11:20: lists 0 values
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
principal "x" {
  identity = "github"
  claims = { ref = [] }
}
