# PC-0505: 4:17: contains a password
fleet "acme" {
  repository "live" {
    url       = "https://a:secret@git.example/x"
    protected = ["main"]
  }
}
identity "github" {
  issuer = "https://t"
}
principal "ci" {
  identity = "github"
  claims = { a = "1" }
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
