# PC-0505: 6:14: own state store
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["http://state.portcullis"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
