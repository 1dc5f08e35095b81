# PC-0510: 7:1: can be anybody who uses github
# + VALID
identity "gh" {
  issuer = "https://git.acme.example/_services/token"
  preset = "github"
}
principal "anybody" {
  identity = "gh"
  claims   = { repository = "acme/live", ref = "refs/heads/main" }
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["anybody"]
  }
}
