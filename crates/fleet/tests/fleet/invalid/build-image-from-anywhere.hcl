# PC-0510: 8:3: action `build-image` is not bounded: it needs `repositories`
# + VALID
account "dev" {
  id = "1"
  tools {
    programs = { probe = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
  }
  action "build-image" {
    allow      = ["ci"]
    registries = ["registry.example"]
  }
}
