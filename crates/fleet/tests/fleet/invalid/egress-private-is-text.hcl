# PC-0505: 7:15: must be `true` or `false`
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts   = ["a.example"]
    private = "yes"
  }
  action "plan" {
    allow = ["ci"]
  }
}
