# PC-0505: 11:10: `jwks` is no JSON
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
identity "x" {
  issuer = "https://b"
  jwks = "keys/github.json"
}
