remote_state {
  backend = "http"
  config = {
    address        = "http://state.portcullis/${path_relative_to_include()}"
    lock_address   = "http://state.portcullis/${path_relative_to_include()}"
    unlock_address = "http://state.portcullis/${path_relative_to_include()}"
    retry_max      = 3
    skip_cert_verification = false
  }
  generate = {
    path      = "backend.tf"
    if_exists = "overwrite_terragrunt"
  }
}
