# PC-0503: 3:1: has no `id`
# + VALID
account "dev" {
  id = null
  action "plan" {
    allow = ["ci"]
  }
}
