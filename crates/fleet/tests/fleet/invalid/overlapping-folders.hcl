# PC-0502: 9:1: overlap
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
account "stage" {
  id = "2"
  path = "dev/inner"
  action "plan" {
    allow = ["ci"]
  }
}
