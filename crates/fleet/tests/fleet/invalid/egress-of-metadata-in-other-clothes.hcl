# PC-0505: 6:14: no address in the form
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["0xa9fea9fe"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
