# PC-0504: 4:15: there is no profile "nobody"
# + VALID
profile "a" {
  profiles = ["nobody"]
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
