# PC-0505: 5:13: `append` takes one list, and was given 2 arguments
# + VALID
account "dev" {
  id = "1"
  regions = append(["a"], ["b"])
  action "plan" {
    allow = ["ci"]
  }
}
