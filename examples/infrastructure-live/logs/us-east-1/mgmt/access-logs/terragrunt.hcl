include "root" {
  path = find_in_parent_folders("root.hcl")
}

include "envcommon" {
  path           = "${dirname(find_in_parent_folders("root.hcl"))}/_envcommon/mgmt/log-bucket.hcl"
  expose         = true
  merge_strategy = "deep"
}

# Load balancers write much and nobody asks after a quarter.
inputs = {
  retention_days = 90
}
