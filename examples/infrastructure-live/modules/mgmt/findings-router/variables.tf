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

variable "detector_ids" {
  description = "Detectors by region."
  type        = map(string)
}

variable "minimum_severity" {
  description = "Findings below this are not sent on."
  type        = number
  default     = 4

  validation {
    condition     = var.minimum_severity >= 1 && var.minimum_severity <= 10
    error_message = "A severity is 1 to 10."
  }
}

variable "subscribers" {
  description = "Addresses that are told."
  type        = list(string)
}
