variable "parts" {
  description = "Parts of a name, in order. Empty ones are left out."
  type        = list(string)

  validation {
    condition     = length(compact(var.parts)) > 0
    error_message = "A name has at least one part."
  }
}

variable "max_length" {
  description = "Longest name that the service takes."
  type        = number
  default     = 63
}
