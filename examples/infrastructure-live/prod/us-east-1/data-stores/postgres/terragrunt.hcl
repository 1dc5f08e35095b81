include "root" {
  path = find_in_parent_folders("root.hcl")
}

include "envcommon" {
  path           = "${dirname(find_in_parent_folders("root.hcl"))}/_envcommon/data-stores/postgres.hcl"
  expose         = true
  merge_strategy = "deep"
}

# Prod is the account that must not lose data: everything else stays as _envcommon has it.
inputs = {
  settings = {
    storage_gib           = 500
    multi_az              = true
    read_replicas         = 2
    backup_retention_days = 35

    parameters = {
      "work_mem" = "65536"
    }
  }
}
