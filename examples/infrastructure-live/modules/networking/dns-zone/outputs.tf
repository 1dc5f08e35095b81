output "zone_id" {
  description = "Id of the zone."
  value       = terraform_data.zone.output.id
}

output "domain" {
  description = "The zone's name."
  value       = terraform_data.zone.output.domain
}

output "certificate_arn" {
  description = "Certificate for the domain and one level below it."
  value       = terraform_data.certificate.output.arn
}
