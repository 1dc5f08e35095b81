output "fleet_name" {
  description = "Name of the build fleet."
  value       = terraform_data.fleet.output.name
}
