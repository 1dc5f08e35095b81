variable "text" {}
variable "template" {
  type = string
}
variable "templates" {
  type = any
}
variable "typed" {
  type = any
}
variable "nothing" {
  default = "default"
}
variable "nested" {
  type = any
}
output "all" {
  value = [var.text, var.template, var.templates, var.typed, var.nothing, var.nested]
}
