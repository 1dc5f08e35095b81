# PC-0510: 8:3: needs `templates`
# + VALID
account "dev" {
  id = "1"
  tools {
    programs = { probe = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
  }
  action "build-ami" {
    allow        = ["ci"]
    repositories = ["git.example/acme/*"]
    regions      = ["eu-west-1"]
  }
}
