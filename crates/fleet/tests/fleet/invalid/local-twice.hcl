# PC-0502: 7:3: local `a` is defined twice
# + VALID
locals {
  a = "1"
}
locals {
  a = "2"
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
