include "root" {
  path = find_in_parent_folders("root.hcl")
}

generate "overwrite" {
  path      = "overwrite.tf"
  if_exists = "overwrite"
  contents  = "# new\n"
}

generate "signed" {
  path      = "signed.tf"
  if_exists = "overwrite_terragrunt"
  contents  = "# new\n"
}

generate "skip" {
  path      = "skip.tf"
  if_exists = "skip"
  contents  = "# new\n"
}

generate "error" {
  path      = "error.tf"
  if_exists = "error"
  contents  = "# new\n"
}

generate "prefix" {
  path           = "notes.txt"
  if_exists      = "overwrite"
  comment_prefix = "// "
  contents       = "no line at the end"
}

generate "unsigned" {
  path              = "unsigned.auto.tfvars.json"
  if_exists         = "overwrite"
  disable_signature = true
  contents          = jsonencode({ x = [1, "a", null] })
}

generate "disabled" {
  path        = "disabled.tf"
  if_exists   = "overwrite"
  if_disabled = "remove"
  disable     = true
  contents    = "# never\n"
}

generate "disabled_signed" {
  path        = "disabled_signed.tf"
  if_exists   = "overwrite"
  if_disabled = "remove_terragrunt"
  disable     = true
  contents    = "# never\n"
}

generate "disabled_kept" {
  path      = "disabled_kept.tf"
  if_exists = "overwrite"
  disable   = true
  contents  = "# never\n"
}

generate "formatted" {
  path      = "formatted.tf"
  if_exists = "overwrite"
  contents  = <<-EOT
    locals {
    a=1
      long_name   =   "x"   # comment
        map = {
      a = 1,
    bcd    =    [ 1,2,   3 ]
        }
    }

    output   "x"   {
    value =  local.a+1
    }
  EOT
}

generate "as_it_is" {
  path      = "as_it_is.tf"
  if_exists = "overwrite"
  hcl_fmt   = false
  contents  = "locals {\nz    =    1\n}\n"
}

generate "text_formatted" {
  path      = "unformatted.txt"
  if_exists = "overwrite"
  contents  = "a=1\n"
}

generate "in_folder" {
  path      = "./inner/generated.txt"
  if_exists = "overwrite"
  contents  = "x"
}
