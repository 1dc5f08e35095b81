# PC-0505: 8:3: `value` is missing
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  credential "git" {
    host = "github.com"
  }
  action "plan" {
    allow = ["ci"]
  }
}
