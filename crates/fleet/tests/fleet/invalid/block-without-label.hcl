# PC-0501: 3:1: takes one label
# + VALID
profile {
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
