variable "a" {}
variable "b" {}
variable "c" { default = 0 }
variable "d" { default = 0 }
variable "e" { default = 0 }
variable "f" { default = 0 }
output "all" { value = [var.a, var.b, var.c, var.d, var.e, var.f] }
