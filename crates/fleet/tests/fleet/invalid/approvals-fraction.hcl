# PC-0505: 7:17: `approvals` must be a whole number
# + VALID
account "dev" {
  id = "1"
  action "apply" {
    allow = ["ci"]
    approvals = 1.5
  }
}
