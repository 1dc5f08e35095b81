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

variable "roles" {
  description = "Roles by name: who may take them, and what they may do."
  type = map(object({
    trusted              = list(string)
    policy               = string
    max_session_duration = optional(number, 3600)
  }))

  validation {
    condition     = alltrue([for role in var.roles : can(jsondecode(role.policy))])
    error_message = "A policy is a JSON document."
  }

  validation {
    condition     = alltrue([for role in var.roles : role.max_session_duration >= 900 && role.max_session_duration <= 43200])
    error_message = "A session lasts 900 to 43200 seconds."
  }
}

variable "password_policy" {
  description = "For the few users that there are."
  type = object({
    minimum_length = optional(number, 20)
    reuse_count    = optional(number, 24)
  })
  default = {}
}
