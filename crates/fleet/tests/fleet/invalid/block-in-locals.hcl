# PC-0501: 4:3: `locals` has no block
# + VALID
locals {
  x {
  }
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
