# PC-0502: 7:26: account `dev` in `deploy_order` is defined twice
fleet "acme" {
  repository "live" {
    url       = "https://git.example/x"
    protected = ["main"]
  }
  deploy_order = ["dev", "dev"]
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
