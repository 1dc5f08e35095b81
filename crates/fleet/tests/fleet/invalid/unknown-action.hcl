# PC-0504: 5:3: there is no action "destroy"
# + VALID
account "dev" {
  id = "1"
  action "destroy" {
    allow = ["ci"]
  }
}
