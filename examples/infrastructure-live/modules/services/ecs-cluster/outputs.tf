output "cluster_arn" {
  description = "ARN of the cluster."
  value       = terraform_data.cluster.output.arn
}

output "cluster_name" {
  description = "Name of the cluster."
  value       = terraform_data.cluster.output.name
}

output "namespace" {
  description = "Names of services end with this."
  value       = terraform_data.namespace.output.name
}
