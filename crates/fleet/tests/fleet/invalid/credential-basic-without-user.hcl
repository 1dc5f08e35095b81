# PC-0505: 8:3: `username` is missing
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  credential "git" {
    host   = "github.com"
    value  = secret("a")
    scheme = "basic"
  }
  action "plan" {
    allow = ["ci"]
  }
}
