# PC-0505: 11:12: would be everybody
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
principal "x" {
  identity = "github"
  claims = {}
}
