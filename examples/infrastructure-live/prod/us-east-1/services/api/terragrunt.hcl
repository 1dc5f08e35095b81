include "root" {
  path = find_in_parent_folders("root.hcl")
}

include "envcommon" {
  path   = "${dirname(find_in_parent_folders("root.hcl"))}/_envcommon/services/api.hcl"
  expose = true
}

inputs = {
  image = "${include.envcommon.locals.image}:2.7.4"
}
