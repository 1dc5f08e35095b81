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

variable "deletion_protection" {
  description = "Refuse to delete the data."
  type        = bool
  default     = false
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Data subnets, in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "A database needs subnets in two zones."
  }
}

variable "allowed_cidr_blocks" {
  description = "Networks that may connect."
  type        = list(string)
}

variable "key_arn" {
  description = "Key that encrypts the storage."
  type        = string
}

variable "instance_class" {
  description = "Size of the instances."
  type        = string

  validation {
    condition     = startswith(var.instance_class, "db.")
    error_message = "The class of a database instance starts with 'db.'."
  }
}

variable "engine_version" {
  description = "Version of PostgreSQL."
  type        = string
  default     = "16.4"

  validation {
    condition     = can(regex("^1[4-9]\\.[0-9]+$", var.engine_version))
    error_message = "Use PostgreSQL 14 or newer, as major.minor."
  }
}

variable "settings" {
  description = "Storage, availability, backups and parameters."
  type = object({
    storage_gib           = optional(number, 50)
    multi_az              = optional(bool, false)
    read_replicas         = optional(number, 0)
    backup_retention_days = optional(number, 7)
    parameters            = optional(map(string), {})
  })
  default = {}

  validation {
    condition     = var.settings.storage_gib >= 20 && var.settings.storage_gib <= 65536
    error_message = "Storage is 20 to 65536 GiB."
  }

  validation {
    condition     = var.settings.backup_retention_days >= 1 && var.settings.backup_retention_days <= 35
    error_message = "Backups are kept 1 to 35 days."
  }
}

variable "replicate_from" {
  description = "ARN of a primary in another region. Null for a primary."
  type        = string
  default     = null
}
