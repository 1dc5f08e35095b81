output "arn" {
  description = "ARN of the instance."
  value       = terraform_data.instance.output.arn
}

output "endpoint" {
  description = "Where to connect."
  value       = terraform_data.instance.output.endpoint
}

output "port" {
  description = "Port to connect to."
  value       = local.port
}

output "security_group_id" {
  description = "Group of the instance."
  value       = terraform_data.security_group.output.id
}

output "secret_arn" {
  description = "Secret that holds user and password."
  value       = terraform_data.secret.output.arn
}

output "connection_string" {
  description = "Without a password, but nobody's business."
  sensitive   = true
  value       = "postgresql://app@${terraform_data.instance.output.endpoint}:${local.port}/app?sslmode=verify-full"
}
