output "vpc_id" {
  description = "Id of the network."
  value       = terraform_data.vpc.output.id
}

output "cidr_block" {
  description = "The network."
  value       = terraform_data.vpc.output.cidr_block
}

output "subnet_ids" {
  description = "Ids of the subnets by tier, in the order of their zones."
  value = {
    for tier in ["public", "private", "data"] : tier => [
      for zone in var.availability_zones : terraform_data.subnet["${tier}-${zone}"].output.id
    ]
  }
}

output "availability_zones" {
  description = "The zones."
  value       = var.availability_zones
}
