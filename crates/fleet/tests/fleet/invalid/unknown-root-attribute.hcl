# PC-0501: 3:1: has no attribute `name`
# + VALID
name = "x"
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
