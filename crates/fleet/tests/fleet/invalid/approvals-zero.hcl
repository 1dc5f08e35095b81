# PC-0505: 7:17: `approvals` must be a whole number from 1 to 20
# + VALID
account "dev" {
  id = "1"
  action "apply" {
    allow = ["ci"]
    approvals = 0
  }
}
