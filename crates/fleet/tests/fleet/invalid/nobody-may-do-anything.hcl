# PC-0509: 3:1: would let nobody in
# + VALID
account "dev" {
  id = "1"
}
