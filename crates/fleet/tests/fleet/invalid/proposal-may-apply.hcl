# PC-0510: 6:1: may apply in `dev`, and a proposed change can be it: its claims leave `ref` open
# + VALID
identity "gh" {
  issuer = "https://token.actions.githubusercontent.com"
}
principal "any-branch" {
  identity = "gh"
  claims   = { repository_id = "7", event_name = "push" }
}
account "dev" {
  id = "1"
  action "apply" {
    allow = ["any-branch"]
  }
}
