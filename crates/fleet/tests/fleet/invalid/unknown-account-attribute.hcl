# PC-0501: 5:3: has no attribute `account_id`
# + VALID
account "dev" {
  id = "1"
  account_id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
