# PC-0510: 6:1: every token of `merge` is one of `approver` as well: it may start and approve `apply` in `dev`
# + VALID
identity "github-again" {
  issuer = "https://token.example"
}
principal "approver" {
  identity = "github-again"
  claims = {
    repository_id = ["1", "2"]
    ref           = ["refs/heads/main", "refs/heads/release"]
  }
}
account "dev" {
  id = "1"
  action "apply" {
    allow     = ["merge"]
    approvers = ["approver"]
  }
}
