include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  before_hook "writes" {
    commands = ["plan"]
    execute  = ["sh", "-c", "echo $TG_CTX_COMMAND $TG_CTX_HOOK_NAME > before.txt"]
  }

  before_hook "never" {
    commands = ["plan"]
    execute  = ["sh", "-c", "echo x > never.txt"]
    if       = false
  }

  before_hook "elsewhere" {
    commands    = ["plan"]
    execute     = ["sh", "-c", "pwd > /work/elsewhere.txt"]
    working_dir = "inner"
  }

  before_hook "from_elsewhere" {
    commands = ["plan"]
    execute  = ["cp", "/work/elsewhere.txt", "."]
  }

  before_hook "init" {
    commands = ["init"]
    execute  = ["sh", "-c", "echo z > init.txt"]
  }

  after_hook "module" {
    commands = ["init-from-module"]
    execute  = ["sh", "-c", "echo m > module.txt"]
  }

  after_hook "config" {
    commands = ["terragrunt-read-config"]
    execute  = ["sh", "-c", "test $(pwd) = ${get_terragrunt_dir()} && echo r > /work/read.txt"]
  }

  after_hook "initialised" {
    commands = ["init"]
    execute  = ["sh", "-c", "cp /work/read.txt . && echo i > after-init.txt"]
  }
}
