# PC-0501: 3:1: has no block `runner`
# + VALID
runner "x" {
}
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
