# PC-0505: 11:20: checked for every token
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
principal "x" {
  identity = "github"
  claims = { aud = "x" }
}
