include "root" {
  path = find_in_parent_folders("root.hcl")
}

include "envcommon" {
  path   = "${dirname(find_in_parent_folders("root.hcl"))}/_envcommon/services/worker.hcl"
  expose = true
}

inputs = {
  image = "${include.envcommon.locals.image}:2.8.0-rc1"
}
