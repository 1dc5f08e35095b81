# PC-0501: 7:17: means nothing for `plan`
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
    approvers = ["ci"]
  }
}
