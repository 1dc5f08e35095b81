# PC-0505: 5:17: names no branch
fleet "acme" {
  repository "live" {
    url       = "https://git.example/x"
    protected = []
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
