# PC-0505: 5:10: `path` cannot be appended to
# + VALID
account "dev" {
  id = "1"
  path = append(["dev"])
  action "plan" {
    allow = ["ci"]
  }
}
