# PC-0505: 6:13: `allow` must be a list of strings
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = "ci"
  }
}
