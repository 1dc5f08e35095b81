# PC-0505: 11:10: exclude each other
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
identity "x" {
  issuer = "https://b"
  jwks = { keys = [{ kty = "RSA" }] }
  jwks_uri = "https://b/keys"
}
