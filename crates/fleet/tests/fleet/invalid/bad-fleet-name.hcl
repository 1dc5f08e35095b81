# PC-0103: 2:1: is no fleet name
fleet "ac me" {
  repository "live" {
    url       = "https://git.example/x"
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
