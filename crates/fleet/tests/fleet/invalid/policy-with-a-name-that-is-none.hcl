# PC-0505: 5:3: "Year End" is no name of a policy
# + VALID
account "dev" {
  id = "1"
  policy "Year End" {
    cedar = "forbid (principal, action, resource) when { context.all };"
  }
  action "plan" {
    allow = ["ci"]
  }
}
