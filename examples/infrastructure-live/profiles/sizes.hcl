# How much room tasks get, by what an account is for.

locals {
  gib = 1024
}

profile "workload" {
  limits {
    parallel   = 4
    memory_mib = 2 * local.gib
    disk_mib   = 4 * local.gib
    timeout_s  = 3600
  }
}
