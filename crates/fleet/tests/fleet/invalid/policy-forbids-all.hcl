# PC-0509: 3:1: would let nobody in
# + VALID
account "dev" {
  id = "1"
  policy "x" {
    cedar = "forbid (principal, action, resource);"
  }
  action "plan" {
    allow = ["ci"]
  }
}
