# PC-0505: 6:29: ">= 1.6" is no version
# + VALID
account "dev" {
  id = "1"
  tools {
    terraform = { version = ">= 1.6" }
  }
  action "plan" {
    allow = ["ci"]
  }
}
