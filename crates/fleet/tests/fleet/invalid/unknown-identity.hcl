# PC-0504: 10:14: there is no identity "gitlab"
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
principal "x" {
  identity = "gitlab"
  claims = { a = "1" }
}
