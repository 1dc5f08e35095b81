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

variable "administrators" {
  description = "Roles that may change the key's policy."
  type        = list(string)

  validation {
    condition     = length(var.administrators) > 0
    error_message = "A key without administrators can never be changed again."
  }
}

variable "aliases" {
  description = "Short names of keys; each gets a key of its own."
  type        = set(string)
  default     = ["data"]
}

variable "rotation_days" {
  description = "Days between rotations."
  type        = number
  default     = 365

  validation {
    condition     = var.rotation_days >= 90 && var.rotation_days <= 2560
    error_message = "Rotation is every 90 to 2560 days."
  }
}
