# PC-0508: 9:1: leads back to it
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
import "x" {
  path = "portcullis.hcl"
}
