# PC-0505: 5:20: what `append` is given must be a list of strings
# + VALID
account "dev" {
  id = "1"
  regions = append("a")
  action "plan" {
    allow = ["ci"]
  }
}
