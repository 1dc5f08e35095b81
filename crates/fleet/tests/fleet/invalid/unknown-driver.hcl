# PC-0504: 6:14: there is no driver "opentofu"
# + VALID
account "dev" {
  id = "1"
  tools {
    driver = "opentofu"
  }
  action "plan" {
    allow = ["ci"]
  }
}
