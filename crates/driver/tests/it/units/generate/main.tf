output "kept" { value = "main" }
