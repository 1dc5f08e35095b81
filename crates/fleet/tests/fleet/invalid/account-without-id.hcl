# PC-0503: 3:1: has no `id`
# + VALID
account "dev" {
  action "plan" {
    allow = ["ci"]
  }
}
