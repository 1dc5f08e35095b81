# PC-0505: 6:14: a host has no path
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com/acme"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
