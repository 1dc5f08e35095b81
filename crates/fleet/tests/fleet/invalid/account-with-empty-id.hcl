# PC-0503: 4:8: is no account id
# + VALID
account "dev" {
  id = ""
  action "plan" {
    allow = ["ci"]
  }
}
