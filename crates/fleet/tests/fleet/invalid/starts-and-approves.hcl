# PC-0510: 24:1: principal `merge` may start and approve `apply` in `dev`
# + VALID
account "dev" {
  id = "1"
  action "apply" {
    allow     = ["merge"]
    approvers = ["merge"]
  }
}
