# PC-0505: 3:1: says nothing that must hold
# + VALID
assert "nothing" {
  action = "apply"
  never  = []
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
