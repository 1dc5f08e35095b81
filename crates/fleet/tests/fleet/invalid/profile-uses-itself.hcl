# PC-0502: 4:15: uses itself
# + VALID
profile "a" {
  profiles = ["b"]
}
profile "b" {
  profiles = ["a"]
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
