output "endpoint" {
  description = "Where to connect."
  value       = terraform_data.replication_group.output.endpoint
}

output "security_group_id" {
  description = "Group of the nodes."
  value       = terraform_data.security_group.output.id
}
