# PC-0500: 5:3: 
# + VALID
account "dev" {
  id = "1"
  id = "2"
}
