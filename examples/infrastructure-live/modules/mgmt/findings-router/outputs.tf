output "topic_arn" {
  description = "Topic on which findings are published."
  value       = terraform_data.topic.output.arn
}
