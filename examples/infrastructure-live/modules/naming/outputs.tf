output "name" {
  description = "The name, cut to what the service takes."
  value       = local.name
}

output "id_suffix" {
  description = "Seventeen hexadecimal digits that belong to this name, as cloud ids have them."
  value       = substr(sha1(local.full), 0, 17)
}
