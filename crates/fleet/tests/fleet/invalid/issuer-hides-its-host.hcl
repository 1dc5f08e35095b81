# PC-0505: 10:12: no https URL
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
identity "x" {
  issuer = "http://localhost:x@evil.example"
}
