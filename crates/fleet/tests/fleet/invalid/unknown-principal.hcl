# PC-0504: 6:14: there is no principal "mrege"
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["mrege"]
  }
}
