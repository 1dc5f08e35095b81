# PC-0505: 16:19: an element of parameter `x` cannot be a list
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
      type      = "list"
      max_items = 3
      of        = { type = "list", max_items = 2, of = { type = "unit" } }
    }
  }
}
