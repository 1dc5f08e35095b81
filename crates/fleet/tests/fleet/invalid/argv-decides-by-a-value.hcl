# PC-0505: 12:16: is not known before a run
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
    argv    = [param.x == "a" ? "--force" : "b"]
    parameter "x" {
      type       = "string"
      characters = ["a-z"]
      max_length = 5
    }
  }
}
