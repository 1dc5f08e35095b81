# PC-0501: 3:1: takes no label
# + VALID
locals "a" {
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
