# PC-0510: 6:1: its claims let `event_name` be `pull_request_target`
# + VALID
identity "gh" {
  issuer = "https://token.actions.githubusercontent.com"
}
principal "merge-or-comment" {
  identity = "gh"
  claims   = { repository_id = "7", ref = "refs/heads/main", event_name = ["push", "pull_request_target"] }
}
account "dev" {
  id = "1"
  action "apply" {
    allow = ["merge-or-comment"]
  }
}
