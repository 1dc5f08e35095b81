# PC-0508: 10:10: it has an empty part
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
import "x" {
  path = "../x.hcl"
}
