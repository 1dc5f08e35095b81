terraform {
  backend "http" {}
}

output "x" {
  value = 1
}
