# PC-0504: 3:1: there is no principal `mergee`
# + VALID
assert "a name that nobody has" {
  action = "apply"
  never  = ["mergee"]
}
account "prod" {
  id = "1"
  action "apply" {
    allow = ["merge"]
  }
}
