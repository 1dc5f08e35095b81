# PC-0505: 7:15: metadata service
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts   = ["git.example"]
    address = "169.254.169.254:80"
  }
  action "plan" {
    allow = ["ci"]
  }
}
