# PC-0505: 10:20: a secret's name cannot be
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  credential "git" {
    host  = "github.com"
    value = secret("../x")
  }
  action "plan" {
    allow = ["ci"]
  }
}
