# PC-0505: 6:47: is no SHA-256 digest
# + VALID
account "dev" {
  id = "1"
  tools {
    terraform = { version = "1.2.3", sha256 = "abcd" }
  }
  action "plan" {
    allow = ["ci"]
  }
}
