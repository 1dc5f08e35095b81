# Services without a region of their own (IAM, DNS).
locals {
  aws_region = "us-east-1"
}
