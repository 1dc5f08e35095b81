# PC-0505: 4:8: not known without running something
# + VALID
account "dev" {
  id = timestamp()
  action "plan" {
    allow = ["ci"]
  }
}
