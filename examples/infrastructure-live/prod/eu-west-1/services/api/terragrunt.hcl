include "root" {
  path = find_in_parent_folders("root.hcl")
}

include "envcommon" {
  path           = "${dirname(find_in_parent_folders("root.hcl"))}/_envcommon/services/api.hcl"
  expose         = true
  merge_strategy = "deep"
}

inputs = {
  image       = "${include.envcommon.locals.image}:2.7.4"
  resources   = { cpu = 1024, memory = 4096 }
  autoscaling = { max_count = 24 }

  env_vars = {
    RATE_LIMIT = "500"
  }
}
