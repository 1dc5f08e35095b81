# PC-0504: 8:3: no `egress` allows in `plan`
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  credential "git" {
    host  = "gitlab.com"
    value = secret("a")
  }
  action "plan" {
    allow = ["ci"]
  }
}
