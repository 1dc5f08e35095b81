# PC-0504: 5:16: there is no repository "other"
# + VALID
account "dev" {
  id = "1"
  repository = "other"
  action "plan" {
    allow = ["ci"]
  }
}
