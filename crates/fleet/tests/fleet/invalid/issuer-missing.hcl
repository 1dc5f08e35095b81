# PC-0505: 9:1: `issuer` is missing
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
identity "x" {
}
