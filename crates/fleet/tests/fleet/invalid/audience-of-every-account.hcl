# PC-0505: 11:14: the same for every account
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
identity "x" {
  issuer = "https://b"
  audience = "portcullis"
}
