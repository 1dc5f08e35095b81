# PC-0505: 8:3: `host` is missing
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  credential "git" {
    value = secret("a")
  }
  action "plan" {
    allow = ["ci"]
  }
}
