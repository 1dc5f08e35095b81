output "detector_id" {
  description = "Id of the detector."
  value       = terraform_data.detector.output.id
}
