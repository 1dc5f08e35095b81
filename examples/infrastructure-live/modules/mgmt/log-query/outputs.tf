output "tables" {
  description = "Names of the tables."
  value       = sort([for table in terraform_data.table : table.output.name])
}
