output "service_arn" {
  description = "ARN of the service."
  value       = terraform_data.service.output.arn
}

output "security_group_id" {
  description = "Group of the service's containers."
  value       = terraform_data.security_group.output.id
}

output "url" {
  description = "Where the service is reached, or null."
  value       = var.load_balancer == null ? null : "https://${var.load_balancer.host}"
}
