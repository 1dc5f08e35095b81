# PC-0505: 7:15: more than one host
# + VALID
account "dev" {
  id = "1"
  egress "git" {
    hosts   = ["a.example", "b.example"]
    address = "10.0.0.1:443"
  }
  action "plan" {
    allow = ["ci"]
  }
}
