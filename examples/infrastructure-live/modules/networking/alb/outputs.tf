output "arn" {
  description = "ARN of the load balancer."
  value       = terraform_data.load_balancer.output.arn
}

output "dns_name" {
  description = "Name that the provider gave it."
  value       = terraform_data.load_balancer.output.dns_name
}

output "listener_arn" {
  description = "ARN of the HTTPS listener."
  value       = terraform_data.listener["https"].output.arn
}

output "security_group_id" {
  description = "Group that services let in."
  value       = terraform_data.security_group.output.id
}
