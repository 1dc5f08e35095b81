# PC-0505: 5:19: is no pattern for folders of the repository
# + VALID
account "dev" {
  id           = "1"
  root_modules = ["../stacks/*"]
  action "plan" {
    allow = ["ci"]
  }
}
