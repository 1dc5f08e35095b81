# PC-0505: 7:18: leaves out account `dev`
fleet "acme" {
  repository "live" {
    url       = "https://git.example/x"
    protected = ["main"]
  }
  deploy_order = []
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
