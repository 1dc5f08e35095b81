# PC-0504: 5:15: there is no profile "standrad"
# + VALID
account "dev" {
  id = "1"
  profiles = ["standrad"]
  action "plan" {
    allow = ["ci"]
  }
}
