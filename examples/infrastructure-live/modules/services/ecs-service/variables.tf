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

variable "service_name" {
  description = "Name of the service."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.service_name))
    error_message = "The name of a service is 2 to 31 of a-z, 0-9 and '-', and starts with a letter."
  }
}

variable "cluster_arn" {
  description = "The cluster."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "image" {
  description = "The container image, with its tag."
  type        = string

  validation {
    condition     = can(regex(":[A-Za-z0-9._-]+$", var.image)) && !endswith(var.image, ":latest")
    error_message = "The image names a tag, and not 'latest'."
  }
}

variable "desired_count" {
  description = "How many copies run."
  type        = number

  validation {
    condition     = var.desired_count >= 0 && var.desired_count <= 100
    error_message = "The count is 0 to 100."
  }
}

variable "resources" {
  description = "CPU units and memory (MiB) of one copy."
  type = object({
    cpu    = number
    memory = number
  })
  default = { cpu = 256, memory = 512 }

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.resources.cpu)
    error_message = "CPU is 256, 512, 1024, 2048 or 4096 units."
  }
}

variable "env_vars" {
  description = "Environment of the container."
  type        = map(string)
  default     = {}
}

variable "secrets" {
  description = "ARNs of secrets by the variable that they become."
  type        = map(string)
  default     = {}
}

variable "load_balancer" {
  description = "How the service is reached from outside. Null: not at all."
  type = object({
    listener_arn      = string
    security_group_id = string
    host              = string
    port              = number
    health_check_path = optional(string, "/healthz")
  })
  default = null
}

variable "autoscaling" {
  description = "Most copies, and the CPU use in percent that is aimed at. Null: a fixed count."
  type = object({
    max_count  = number
    target_cpu = optional(number, 60)
  })
  default = null
}
