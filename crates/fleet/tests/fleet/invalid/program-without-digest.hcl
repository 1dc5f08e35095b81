# PC-0505: 6:26: "latest" is no
# + VALID
account "dev" {
  id = "1"
  tools {
    programs = { probe = "latest" }
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
    }
  }
}
