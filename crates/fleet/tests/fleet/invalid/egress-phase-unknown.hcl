# PC-0504: 7:15: there is no phase
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts  = ["a.example"]
    phases = ["destroy"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
