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
  description = "Data subnets."
  type        = list(string)
}

variable "allowed_cidr_blocks" {
  description = "Networks that may connect."
  type        = list(string)
}

variable "key_arn" {
  description = "Key that encrypts the snapshots."
  type        = string
}

variable "node_type" {
  description = "Size of the nodes."
  type        = string

  validation {
    condition     = startswith(var.node_type, "cache.")
    error_message = "The type of a cache node starts with 'cache.'."
  }
}

variable "shards" {
  description = "Number of shards."
  type        = number
  default     = 1
}

variable "replicas_per_shard" {
  description = "Replicas of each shard."
  type        = number
  default     = 0

  validation {
    condition     = var.replicas_per_shard >= 0 && var.replicas_per_shard <= 5
    error_message = "A shard has 0 to 5 replicas."
  }
}
