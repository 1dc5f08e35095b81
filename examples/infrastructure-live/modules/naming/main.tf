# Names and the ids derived from them. Creates nothing.
locals {
  full = lower(join("-", compact(var.parts)))
  name = trimsuffix(substr(local.full, 0, min(length(local.full), var.max_length)), "-")
}
