# PC-0504: 10:15: there is no program "bash" among the tools
# + VALID
account "dev" {
  id = "1"
  tools {
    programs = { probe = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
  }
  action "probe" {
    allow   = ["merge"]
    program = "bash"
    phase   = "plan"
    argv    = [param.x]
    parameter "x" {
      type       = "string"
      characters = ["a-z"]
      max_length = 5
    }
  }
}
