locals {
  account_name = "shared"
  environment  = "shared"

  az_count     = 2
  nat_gateways = 1
}
