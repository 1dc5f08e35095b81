# PC-0505: 9:13: would travel in the clear
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts = ["github.com"]
  }
  credential "git" {
    host  = "http://github.com"
    value = secret("a")
  }
  action "plan" {
    allow = ["ci"]
  }
}
