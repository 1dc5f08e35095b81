locals {
  account_name = "stage"
  environment  = "stage"

  az_count       = 2
  nat_gateways   = 1
  database_class = "db.t4g.large"
  cache_class    = "cache.t4g.medium"
  service_counts = { api = 2, web = 2, worker = 1 }
}
