tools {
  programs = { probe = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
}

action "probe" {
  allow   = ["merge"]
  program = "probe"
  phase   = "plan"
  argv = [
    "--fixed=1",
    param.name,
    "--name=${param.title}",
    "--size=${param.size}",
    param.count,
    param.branch,
    "--tag=${param.tag}",
    param.commit,
    "--",
    param.file,
    param.unit,
    "--from=${param.from}",
    param.version,
    param.repository,
    param.files,
    "--label=${param.labels}",
    "${param.text}.txt",
    { when = param.force, argv = ["--force"] },
  ]

  parameter "name" {
    type       = "string"
    characters = ["a-z", "0-9", "-"]
    max_length = 20
    required   = false
  }
  parameter "title" {
    type       = "string"
    characters = ["letters", " ", "'", "-"]
    min_length = 2
    max_length = 40
    required   = false
  }
  parameter "text" {
    type       = "string"
    characters = ["a-z", "-", "$", "`", ";", "|", "&", "(", ")", "<", ">", "*", "{", "}", "!", "#", "%", "\"", "\\", "/", "."]
    min_length = 0
    max_length = 80
    required   = false
  }
  parameter "size" {
    type     = "enum"
    values   = ["small", "large"]
    required = false
  }
  parameter "count" {
    type     = "integer"
    min      = 1
    max      = 100
    required = false
  }
  parameter "force" {
    type     = "boolean"
    required = false
  }
  parameter "branch" {
    type     = "branch"
    required = false
  }
  parameter "tag" {
    type     = "tag"
    required = false
  }
  parameter "commit" {
    type     = "commit"
    required = false
  }
  parameter "file" {
    type     = "path"
    within   = ["dev", "modules/net"]
    required = false
  }
  parameter "unit" {
    type     = "unit"
    required = false
  }
  parameter "from" {
    type     = "url"
    hosts    = ["files.example", "mirror.example:8443"]
    required = false
  }
  parameter "version" {
    type     = "image-tag"
    required = false
  }
  parameter "repository" {
    type     = "repository"
    allow    = ["git.example/acme/*", "git.example/tools/**"]
    required = false
  }
  parameter "files" {
    type      = "list"
    max_items = 3
    of        = { type = "path", within = ["."] }
    required  = false
  }
  parameter "labels" {
    type     = "map"
    keys     = ["owner", "team"]
    of       = { type = "string", characters = ["a-z", "-"], max_length = 10 }
    required = false
  }
  parameter "region" {
    type   = "enum"
    values = ["eu-west-1", "us-east-1"]
    value  = "eu-west-1"
  }
  parameter "secret" {
    type      = "boolean"
    required  = false
    forbidden = true
  }
}
