# PC-0505: 11:10: holds a private key
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
identity "x" {
  issuer = "https://b"
  jwks = { keys = [{ kty = "OKP", crv = "Ed25519", kid = "1", x = "AAAA", d = "AAAA" }] }
}
