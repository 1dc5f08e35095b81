# PC-0505: 13:5: is forbidden and required
# + VALID
account "dev" {
  id = "1"
  tools {
    programs = { probe = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
  }
  action "probe" {
    allow   = ["merge"]
    program = "probe"
    phase   = "plan"
    argv    = [param.x]
    parameter "x" {
      type       = "string"
      characters = ["a-z"]
      max_length = 5
      forbidden  = true
    }
  }
}
