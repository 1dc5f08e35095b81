# PC-0508: 10:10: no git or other source
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
import "x" {
  path = "git@git.example:acme/profiles"
}
