# PC-0502: 28:1: `principal` "ci" is defined twice
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
principal "x" {
  identity = "github"
  claims = { a = "1" }
}

principal "ci" {
  identity = "github"
  claims = { a = "1" }
}
