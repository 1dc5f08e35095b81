# PC-0502: 9:1: overlap
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
account "all" {
  id = "2"
  path = "."
  action "plan" {
    allow = ["ci"]
  }
}
