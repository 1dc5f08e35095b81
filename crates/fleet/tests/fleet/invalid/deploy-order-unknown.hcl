# PC-0504: 7:19: there is no account "prod"
fleet "acme" {
  repository "live" {
    url       = "https://git.example/x"
    protected = ["main"]
  }
  deploy_order = ["prod"]
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
