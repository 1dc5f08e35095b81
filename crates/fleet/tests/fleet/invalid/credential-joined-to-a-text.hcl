# PC-0505: 10:13: is not written in the definition
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  credential "git" {
    host  = "github.com"
    value = "Bearer ${secret("a")}"
  }
  action "plan" {
    allow = ["ci"]
  }
}
