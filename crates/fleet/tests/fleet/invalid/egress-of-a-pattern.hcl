# PC-0505: 6:14: there are no patterns
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["*.github.com"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
