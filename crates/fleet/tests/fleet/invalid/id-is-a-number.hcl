# PC-0505: 4:8: `id` must be a string, but is number
# + VALID
account "dev" {
  id = 111
  action "plan" {
    allow = ["ci"]
  }
}
