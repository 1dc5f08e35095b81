# PC-0510: 8:3: it needs `values`
# + VALID
account "dev" {
  id = "1"
  tools {
    programs = { probe = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
  }
  action "update-variable" {
    allow     = ["ci"]
    files     = ["dev/app/terragrunt.hcl"]
    variables = ["image_tag"]
  }
}
