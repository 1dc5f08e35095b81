# PC-0508: 10:10: it is no path; another repository is named by `git`, `commit` and `sha256`
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
