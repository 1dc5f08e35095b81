variable "cidr" {}
variable "own" { default = false }
module "shared" {
  source = "../shared"
}
output "all" { value = [var.cidr, var.own, module.shared.name] }
