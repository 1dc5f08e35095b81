# PC-0511: 6:13: policy `x`: there is no freeze `easter`
# + VALID
account "dev" {
  id = "1"
  policy "x" {
    cedar = "forbid (principal, action, resource) when { context.frozen.contains(Freeze::\"easter\") };"
  }
  action "plan" {
    allow = ["ci"]
  }
}
