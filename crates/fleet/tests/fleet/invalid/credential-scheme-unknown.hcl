# PC-0504: 11:14: there is no scheme
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  credential "git" {
    host   = "github.com"
    value  = secret("a")
    scheme = "digest"
  }
  action "plan" {
    allow = ["ci"]
  }
}
