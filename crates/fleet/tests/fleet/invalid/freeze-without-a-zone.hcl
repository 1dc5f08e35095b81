# PC-0505: 6:13: `from` is "2026-12-20T00:00:00", which is no time
# + VALID
account "dev" {
  id = "1"
  freeze "x" {
    from  = "2026-12-20T00:00:00"
    until = "2026-12-21T00:00:00Z"
  }
  action "plan" {
    allow = ["ci"]
  }
}
