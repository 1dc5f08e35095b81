# PC-0505: 5:9: `env` must be a map
# + VALID
account "dev" {
  id = "1"
  env = ["x"]
  action "plan" {
    allow = ["ci"]
  }
}
