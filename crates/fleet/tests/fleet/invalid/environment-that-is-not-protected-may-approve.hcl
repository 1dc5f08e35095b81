# PC-0510: 6:1: may approve in `dev`, and a proposed change can be it: its claims leave `environment_protected` open
# + VALID
identity "gl" {
  issuer = "https://gitlab.com"
}
principal "lead" {
  identity = "gl"
  claims   = { project_id = "7", environment = "approval" }
}
account "dev" {
  id = "1"
  action "apply" {
    allow     = ["merge"]
    approvers = ["lead"]
  }
}
