# PC-0505: 5:3: names no host
# + VALID
account "dev" {
  id = "1"
  egress "git" {
  }
  action "plan" {
    allow = ["ci"]
  }
}
