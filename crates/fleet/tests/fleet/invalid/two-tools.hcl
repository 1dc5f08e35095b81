# PC-0502: 5:3: `tofu` and `terraform` are both named
# + VALID
account "dev" {
  id = "1"
  tools {
    tofu      = { version = "1.2.3" }
    terraform = { version = "1.2.3" }
  }
  action "plan" {
    allow = ["ci"]
  }
}
