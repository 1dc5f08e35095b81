# PC-0417: 5:7: refers to itself
# + VALID
locals {
  a = local.b
  b = local.a
}
account "dev" {
  id = local.a
  action "plan" {
    allow = ["ci"]
  }
}
