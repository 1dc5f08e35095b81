output "bucket_arn" {
  description = "ARN of the bucket."
  value       = terraform_data.bucket.output.arn
}

output "bucket_name" {
  description = "Name of the bucket."
  value       = terraform_data.bucket.output.name
}
