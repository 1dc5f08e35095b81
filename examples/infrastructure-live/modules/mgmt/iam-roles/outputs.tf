output "role_arns" {
  description = "ARNs of the roles by name."
  value       = { for name, role in terraform_data.role : name => role.output.arn }
}
