# PC-0505: 6:14: is no place of modules
# + VALID
account "dev" {
  id = "1"
  sources {
    allow = ["*.github.com/acme/*"]
  }
  action "plan" {
    allow = ["ci"]
  }
}
