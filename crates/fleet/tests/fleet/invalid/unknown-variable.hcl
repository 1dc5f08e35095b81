# PC-0504: 4:8: 
# + VALID
account "dev" {
  id = var.x
  action "plan" {
    allow = ["ci"]
  }
}
