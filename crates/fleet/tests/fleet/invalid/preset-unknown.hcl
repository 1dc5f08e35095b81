# PC-0504: 5:12: there is no preset
# + VALID
identity "gh" {
  issuer = "https://git.acme.example"
  preset = "git-hub"
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
