# PC-0502: 9:1: `account` "dev" is defined twice
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
