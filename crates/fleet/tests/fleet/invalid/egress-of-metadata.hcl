# PC-0505: 6:14: metadata service
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["http://169.254.169.254"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
