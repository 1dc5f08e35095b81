# PC-0505: 7:18: `unreviewed` cannot be "never"
# + VALID
account "dev" {
  id = "1"
  action "apply" {
    allow = ["ci"]
    unreviewed = "never"
  }
}
