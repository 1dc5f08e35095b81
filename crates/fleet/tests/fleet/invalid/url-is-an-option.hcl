# PC-0505: 4:17: is no address of a repository
fleet "acme" {
  repository "live" {
    url       = "--upload-pack=x"
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
