# PC-0502: 8:3: both allow github.com in `plan`
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  egress "other" {
    hosts  = ["github.com:443"]
    phases = ["plan"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
