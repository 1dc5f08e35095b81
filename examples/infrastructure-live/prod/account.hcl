locals {
  account_name = "prod"
  environment  = "prod"

  az_count       = 3
  nat_gateways   = 3
  database_class = "db.r7g.xlarge"
  cache_class    = "cache.r7g.large"
  service_counts = { api = 6, web = 4, worker = 3 }

  extra_tags = {
    Backup     = "daily"
    Compliance = "soc2"
  }
}
