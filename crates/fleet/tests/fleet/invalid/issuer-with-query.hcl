# PC-0505: 10:12: no https URL
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
identity "x" {
  issuer = "https://token.example?x=1"
}
