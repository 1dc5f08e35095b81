object = {
  name   = "web"
  ports  = [80, 443]
  nested = { deep = { value = "found" } }
  tags   = { a = "1", b = "2" }
}
servers = [
  { name = "a", ips = ["10.0.0.1", "10.0.0.2"], zone = { id = 1 } },
  { name = "b", ips = [], zone = { id = 2 } },
]
list    = tolist(["x", "y", "z"])
map     = tomap({ one = 1, two = 2 })
set     = toset(["b", "a", "b"])
nothing = null
empty   = []
yes     = true
key     = "name"
template = "Hi $${name}: %%{ for i in items ~}[$${i}]%%{ endfor ~}"
