locals {
  account_name = "dev"
  environment  = "dev"

  # Sizes that _envcommon picks up. Small and single: nobody is on call for dev.
  az_count       = 2
  nat_gateways   = 1
  database_class = "db.t4g.medium"
  cache_class    = "cache.t4g.small"
  service_counts = { api = 1, web = 1, worker = 1 }
}
