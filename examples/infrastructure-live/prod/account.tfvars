# Read by every unit of this account, see `account_variables` in root.hcl.
deletion_protection = true
