# PC-0501: 6:44: has no attribute `sha`
# + VALID
account "dev" {
  id = "1"
  tools {
    terraform = { version = "1.2.3", sha = "ab" }
  }
  action "plan" {
    allow = ["ci"]
  }
}
