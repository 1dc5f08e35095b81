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

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "repository_urls" {
  description = "Repositories that builds push to."
  type        = map(string)
}

variable "capacity" {
  description = "Fewest and most build machines."
  type = object({
    min = number
    max = number
  })

  validation {
    condition     = var.capacity.min >= 0 && var.capacity.max >= var.capacity.min
    error_message = "The capacity is 0 <= min <= max."
  }
}
