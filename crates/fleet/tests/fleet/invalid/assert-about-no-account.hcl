# PC-0504: 4:14: there is no account
# + VALID
assert "an account that is not there" {
  account = ["prdo"]
  action  = "apply"
  only    = ["merge"]
}
account "prod" {
  id = "1"
  action "apply" {
    allow = ["merge"]
  }
}
