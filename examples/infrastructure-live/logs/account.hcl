locals {
  account_name = "logs"
  environment  = "logs"

  # Days. The auditors' number.
  retention_days = 400
}
