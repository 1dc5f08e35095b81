# PC-0501: 6:5: has no attribute `alow`
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    alow = ["ci"]
    allow = ["ci"]
  }
}
