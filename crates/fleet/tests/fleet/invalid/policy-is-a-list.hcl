# PC-0505: 6:13: `cedar` must be a string
# + VALID
account "dev" {
  id = "1"
  policy "x" {
    cedar = ["forbid (principal, action, resource) when { context.all };"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
