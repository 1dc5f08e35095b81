# PC-0505: 6:16: `parallel` must be a whole number from 1 to 256
# + VALID
account "dev" {
  id = "1"
  limits {
    parallel = 1000
  }
  action "plan" {
    allow = ["ci"]
  }
}
