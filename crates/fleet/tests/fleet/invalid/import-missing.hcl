# PC-0508: 9:1: does not exist
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
import "x" {
  path = "profiles/x.hcl"
}
