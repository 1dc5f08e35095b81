locals {
  account_name = "security"
  environment  = "security"
}
