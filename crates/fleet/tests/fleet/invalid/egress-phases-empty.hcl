# PC-0505: 7:14: is empty
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts  = ["a.example"]
    phases = []
  }
  action "plan" {
    allow = ["ci"]
  }
}
