# PC-0505: 5:19: is no name of an environment variable
# + VALID
account "dev" {
  id = "1"
  env = { "A=B" = "x" }
  action "plan" {
    allow = ["ci"]
  }
}
