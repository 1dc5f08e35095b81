# PC-0505: 12:16: means nothing for `bearer`
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  credential "git" {
    host     = "github.com"
    value    = secret("a")
    scheme   = "bearer"
    username = "x"
  }
  action "plan" {
    allow = ["ci"]
  }
}
