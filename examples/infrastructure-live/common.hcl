# Facts about the whole organisation. Read by root.hcl and by _envcommon.
locals {
  name_prefix    = "acme"
  default_region = "us-east-1"
  domain         = "acme.example"

  # Which stage of the company's rollout this copy of the repository describes. The fleet definition may set it
  # for an account (`env`); nothing else of the environment is visible here.
  deployment_stage = get_env("DEPLOYMENT_STAGE", "live")

  # Numbers of the accounts, so that one account can name another without depending on its units.
  accounts = jsondecode(file("${get_terragrunt_dir()}/accounts.json"))

  account_ids = { for name, account in local.accounts : name => account.id }
}
