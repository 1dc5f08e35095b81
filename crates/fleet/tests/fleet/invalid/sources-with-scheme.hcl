# PC-0505: 6:14: without a scheme
# + VALID
account "dev" {
  id = "1"
  sources {
    allow = ["https://github.com/acme/modules"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
