# PC-0508: 10:10: no path inside the repository
# + VALID
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
import "x" {
  path = "/etc/passwd"
}
