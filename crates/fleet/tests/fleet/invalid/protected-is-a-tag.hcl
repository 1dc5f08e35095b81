# PC-0110: 5:18: is no branch name
fleet "acme" {
  repository "live" {
    url       = "https://git.example/x"
    protected = ["refs/tags/v1"]
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
