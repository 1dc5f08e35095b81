# PC-0505: 3:1: says nothing that must hold
# + VALID
assert "nothing" {
  action = "apply"
}
account "prod" {
  id = "1"
  action "apply" {
    allow = ["merge"]
  }
}
