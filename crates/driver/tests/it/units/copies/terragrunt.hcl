include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  source            = "../modules//net"
  include_in_copy   = [".hidden/**", ".one"]
  exclude_from_copy = ["*.md", "docs", "sub"]
}

inputs = {
  cidr = "10.0.0.0/16"
}
