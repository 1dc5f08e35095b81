include "root" {
  path = find_in_parent_folders("root.hcl")
}

inputs = {
  text         = "plain"
  template     = "$${literal} and %%{ literal }"
  templates    = ["$${literal}", { "key" = "%%{ if true }x%%{ endif }" }]
  typed        = "\"$${literal}\""
  quoted       = "a \"quoted\" \\ text\nwith lines\t"
  unicode      = "grün ☂ <a&b>"
  number       = 42
  float        = 1.5
  large        = 123456789012345678901234567890
  precise      = 9007199254740993
  long         = 1234567890123.4567
  small        = 0.000001
  exponent     = 1e21
  negative     = -7
  yes          = true
  nothing      = null
  nothing_more = null
  list         = ["a", 1, true, null]
  map          = { b = 1, a = "x", "with space" = null }
  nested       = { list = [{ a = [] }, {}], number = 10000000000 }
  empty_list   = []
  empty_map    = {}
  empty        = ""
  set          = toset(["b", "a", "b"])
  undeclared   = "x"
}
