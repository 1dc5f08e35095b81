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

variable "deletion_protection" {
  description = "Refuse to delete the data."
  type        = bool
  default     = false
}

variable "purpose" {
  description = "What is kept in it; part of its name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.purpose))
    error_message = "The purpose is a lowercase word."
  }
}

variable "key_arn" {
  description = "Key that encrypts the objects."
  type        = string
}

variable "retention_days" {
  description = "Days after which objects expire."
  type        = number

  validation {
    condition     = var.retention_days >= 30
    error_message = "Logs are kept for at least 30 days."
  }
}

variable "writers" {
  description = "Numbers of the accounts that may write."
  type        = map(string)
}
