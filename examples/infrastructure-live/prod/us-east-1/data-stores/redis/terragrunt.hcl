include "root" {
  path = find_in_parent_folders("root.hcl")
}

include "envcommon" {
  path   = "${dirname(find_in_parent_folders("root.hcl"))}/_envcommon/data-stores/redis.hcl"
  expose = true
}

inputs = {
  shards             = 2
  replicas_per_shard = 1
}
