# PC-0508: 10:10: only files of this repository
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
import "x" {
  path = "git::https://x/y"
}
