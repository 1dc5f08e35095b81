# PC-0505: 5:10: it contains `.` or `..`
# + VALID
account "dev" {
  id = "1"
  path = "dev/../prod"
  action "plan" {
    allow = ["ci"]
  }
}
