# PC-0502: 12:3: two credentials set `Authorization`
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  credential "git" {
    host  = "github.com"
    value = secret("a")
  }
  credential "more" {
    host  = "github.com"
    value = secret("b")
  }
  action "plan" {
    allow = ["ci"]
  }
}
