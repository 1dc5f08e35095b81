output "name" { value = "shared" }
