# PC-0505: 11:14: cannot be "Host"
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  credential "git" {
    host   = "github.com"
    value  = secret("a")
    header = "Host"
  }
  action "plan" {
    allow = ["ci"]
  }
}
