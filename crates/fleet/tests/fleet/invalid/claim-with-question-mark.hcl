# PC-0505: 11:22: compared exactly
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
principal "x" {
  identity = "github"
  claims = { "ref" = "refs/heads/v?" }
}
