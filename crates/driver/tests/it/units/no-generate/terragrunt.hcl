remote_state {
  backend = "http"
  config = {
    address        = "http://state.portcullis/no-generate"
    lock_address   = "http://state.portcullis/no-generate"
    unlock_address = "http://state.portcullis/no-generate"
    retry_max      = 2
  }
}
