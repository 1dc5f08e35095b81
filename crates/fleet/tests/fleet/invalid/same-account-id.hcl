# PC-0502: 9:1: have the same id
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
account "stage" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
