# PC-0505: 6:14: it has no path
# + VALID
account "dev" {
  id = "1"
  sources {
    allow = ["github.com"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
