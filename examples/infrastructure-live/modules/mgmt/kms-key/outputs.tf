output "key_arns" {
  description = "ARNs of the keys by alias."
  value       = { for alias, key in terraform_data.key : alias => key.output.arn }
}
