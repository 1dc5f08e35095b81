output "repository_urls" {
  description = "Where images are pushed, by repository."
  value       = { for name, repository in terraform_data.repository : name => repository.output.url }
}
