# PC-0505: 5:3: freeze `x` has no `until`
# + VALID
account "dev" {
  id = "1"
  freeze "x" {
    from = "2026-12-20T00:00:00Z"
  }
  action "plan" {
    allow = ["ci"]
  }
}
