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

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "container_insights" {
  description = "Detailed metrics."
  type        = bool
  default     = false
}

variable "capacity_providers" {
  description = "Share of each kind of capacity, in percent."
  type        = map(number)
  default     = { FARGATE = 100 }

  validation {
    condition     = sum(values(var.capacity_providers)) == 100
    error_message = "The shares add up to 100."
  }
}
