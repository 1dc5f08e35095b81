# PC-0505: 6:14: a whole part
# + VALID
account "dev" {
  id = "1"
  sources {
    allow = ["github.com/acme/ter*"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
