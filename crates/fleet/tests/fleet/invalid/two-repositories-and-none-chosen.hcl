# PC-0504: 19:1: does not say which repository
fleet "acme" {
  repository "live" {
    url       = "https://git.example/x"
    protected = ["main"]
  }
  repository "apps" {
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
