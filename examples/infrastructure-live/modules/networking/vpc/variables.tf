variable "name_prefix" {
  description = "First part of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.name_prefix))
    error_message = "The name prefix is 2 to 16 of a-z, 0-9 and '-', and starts with a letter."
  }
}

variable "account_id" {
  description = "Number of the account."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account number has twelve digits."
  }
}

variable "aws_region" {
  description = "Region of the resources."
  type        = string
}

variable "default_tags" {
  description = "Tags for everything."
  type        = map(string)
  default     = {}
}

variable "environment" {
  description = "dev, stage, prod, or the name of a core account."
  type        = string
}

variable "cidr_block" {
  description = "The network, a /16."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr_block, 0)) && endswith(var.cidr_block, "/16")
    error_message = "The network is a /16 in CIDR notation, such as 10.0.0.0/16."
  }
}

variable "availability_zones" {
  description = "Zones with subnets."
  type        = list(string)

  validation {
    condition     = length(var.availability_zones) >= 2 && length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "Name at least two different zones."
  }
}

variable "nat_gateways" {
  description = "How many NAT gateways: 0, 1, or one for each zone."
  type        = number
  default     = 1

  validation {
    condition     = var.nat_gateways >= 0 && floor(var.nat_gateways) == var.nat_gateways
    error_message = "The number of NAT gateways is a whole number, 0 or more."
  }
}

variable "flow_logs" {
  description = "Where flow logs go, and how much of them."
  type = object({
    bucket_arn   = string
    traffic_type = optional(string, "REJECT")
  })

  validation {
    condition     = contains(["ACCEPT", "REJECT", "ALL"], var.flow_logs.traffic_type)
    error_message = "The traffic type is ACCEPT, REJECT or ALL."
  }
}
