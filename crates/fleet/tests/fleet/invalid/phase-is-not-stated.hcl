# PC-0505: 8:3: `phase` is missing
# + VALID
account "dev" {
  id = "1"
  tools {
    programs = { probe = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
  }
  action "probe" {
    allow   = ["merge"]
    program = "probe"
    argv    = [param.x]
    parameter "x" {
      type       = "string"
      characters = ["a-z"]
      max_length = 5
    }
  }
}
