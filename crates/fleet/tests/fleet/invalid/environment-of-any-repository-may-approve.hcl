# PC-0510: 6:1: may approve in `dev`, and a proposed change can be it: its claims do not name one repository
# + VALID
identity "gh" {
  issuer = "https://token.actions.githubusercontent.com"
}
principal "lead" {
  identity = "gh"
  claims   = { repository_owner_id = "1", environment = "approval" }
}
account "dev" {
  id = "1"
  action "apply" {
    allow     = ["merge"]
    approvers = ["lead"]
  }
}
