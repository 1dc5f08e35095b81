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

variable "domain" {
  description = "The zone's name."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.domain))
    error_message = "The domain is a lowercase name with at least one dot."
  }
}

variable "records" {
  description = "Records that belong to no service."
  type = map(object({
    type   = string
    ttl    = optional(number, 300)
    values = list(string)
  }))
  default = {}
}
